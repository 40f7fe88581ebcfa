"""The bridge that lab hosts share, and their way to the package registries."""

from __future__ import annotations

from pathlib import Path

from lab.fleet import BRIDGE, GATEWAY_ADDRESS, NETWORK
from lab.record import Record
from lab.shell import sh

IP_FORWARD = Path("/proc/sys/net/ipv4/ip_forward")
TABLE = "rackwright-lab"
RULES = f"""
table ip {TABLE} {{
  chain postrouting {{
    type nat hook postrouting priority srcnat;
    ip saddr {NETWORK} oifname != "{BRIDGE}" masquerade
  }}
}}
"""


def up(record: Record) -> None:
    """Make what is missing of bridge, forwarding and masquerade rule."""
    if record.ip_forward is None:
        record.ip_forward = IP_FORWARD.read_text().strip()
        record.save()
    if not Path(f"/sys/class/net/{BRIDGE}").exists():
        sh("ip", "link", "add", BRIDGE, "type", "bridge")
    sh("ip", "addr", "replace", f"{GATEWAY_ADDRESS}/24", "dev", BRIDGE)
    sh("ip", "link", "set", BRIDGE, "up")
    if not _has_table():
        sh("nft", "-f", "-", stdin=RULES)
    IP_FORWARD.write_text("1")


def down(record: Record) -> None:
    """Take the bridge and the rule away, and put ip_forward back."""
    if Path(f"/sys/class/net/{BRIDGE}").exists():
        sh("ip", "link", "del", BRIDGE)
    if _has_table():
        sh("nft", "delete", "table", "ip", TABLE)
    if record.ip_forward is not None:
        IP_FORWARD.write_text(record.ip_forward)


def _has_table() -> bool:
    return f"table ip {TABLE}" in sh("nft", "list", "tables").splitlines()
