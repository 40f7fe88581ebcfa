"""What nftables has loaded of our table, and who else rules over what comes in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rackwright.remote.host.running import ended, in_english

TABLE = ("inet", "rackwright")
OTHERS = ("ufw", "firewalld", "nftables", "netfilter-persistent", "docker", "fail2ban")
"""Services with rules of their own; Docker's are for forwarded packets.

Theirs stay as they are: what they refuse, we cannot let in.
"""

Values = dict[str, Any]


def loaded() -> Values | None:
    """Our table (``table_of``); None where there is none. OSError where nft cannot be asked."""
    said = ended("nft", "-j", "list", "table", *TABLE, env=in_english())
    if said.returncode == 0:
        return table_of(json.loads(said.stdout))
    if "No such file or directory" in said.stderr:
        return None
    raise OSError(f"nft says: {said.stderr.strip()[-300:]}")


def table_of(document: Values) -> Values:
    """``policy``, ``rules`` (each by its comment and verdict) and ``sets`` of what nft lists."""
    parts = document["nftables"]
    chains = [part["chain"] for part in parts if "chain" in part]
    sets = [part["set"] for part in parts if "set" in part]
    return {
        "policy": ", ".join(str(chain.get("policy")) for chain in chains),
        "hooks": [chain.get("hook") for chain in chains],
        "rules": [_rule(part["rule"]) for part in parts if "rule" in part],
        "sets": {one["name"]: [_element(e) for e in one.get("elem", [])] for one in sets},
    }


def _rule(rule: Values) -> list[str]:
    last = rule["expr"][-1] if rule.get("expr") else {}
    return [str(rule.get("comment", "")), next(iter(last), "")]


def _element(element: Any) -> str:
    """An address, a port, or a network by its first address and length; a range by its ends."""
    if not isinstance(element, dict):
        return str(element)
    if "prefix" in element:
        return f"{element['prefix']['addr']}/{element['prefix']['len']}"
    return "-".join(map(str, element.get("range", [element])))


def is_there() -> bool:
    """Whether nft is installed, where root finds it."""
    return any(Path(folder, "nft").exists() for folder in ("/usr/sbin", "/sbin", "/usr/bin"))
