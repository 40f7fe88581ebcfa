"""The bridge that lab hosts share, and their way to the package registries."""

from __future__ import annotations

from pathlib import Path

from lab.fleet import BRIDGE, GATEWAY_ADDRESS, NETWORK
from lab.shell import sh

TABLE = "rackwright-lab"
RULES = f"""
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {NETWORK} oifname != "{BRIDGE}" masquerade
  }}
}}
"""


def up() -> None:
    """Make what is missing of bridge and masquerade rule."""
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "addr", "replace", f"{GATEWAY_ADDRESS}/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")
    if not _has_table():
        sh("nft", "-f", "-", stdin=RULES)


def down() -> None:
    """Take the bridge and the rule away."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        sh("ip", "link", "del", BRIDGE)
    if _has_table():
        sh("nft", "delete", "table", "ip", TABLE)


def _has_table() -> bool:
    return f"table ip {TABLE}" in sh("nft", "list", "tables").splitlines()
