"""The firewall of a host: its table as nft reads it, and the unit that loads it at each boot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.desired.render import render
from rackwright.planning.firewall import Table
from rackwright.planning.loaded_firewall import differences
from rackwright.spec import Settings

TYPES = {"ports": "inet_service", "4": "ipv4_addr", "6": "ipv6_addr"}
"""Of the elements of a set, by how its name ends."""


def ruleset_path(settings: Settings) -> str:
    """Where the table lies; Debian's /etc/nftables.conf is the operator's."""
    return f"{settings.config_dir}/firewall.nft"


def ruleset(table: Table) -> str:
    """The table as a file of nft, which puts it in the place of the former in one piece."""
    values = {"policy": table.policy, "rules": table.rules, "sets": list(_sets(table))}
    return render("firewall.nft.j2", values).decode()


def _sets(table: Table) -> Iterator[dict[str, Any]]:
    for name, elements in table.sets.items():
        kind = next(kind for end, kind in TYPES.items() if name.endswith(end))
        networks = kind != TYPES["ports"]
        yield {"name": name, "type": kind, "elements": elements, "networks": networks}


def unit(settings: Settings) -> str:
    """The unit's file."""
    return render("firewall.service.j2", {"ruleset_path": ruleset_path(settings)}).decode()


def changes(table: Table, settings: Settings, seen: Mapping[str, Any]) -> Iterator[str]:
    """Why a host differs, each in words; ``seen`` is what ``remote/firewall.py`` observed."""
    if seen.get("on_trial"):
        yield "a run that was cut off loaded rules that nobody confirmed"
    yield from differences(table, seen.get("table"))
    if seen.get("file") != ruleset(table):
        yield f"{ruleset_path(settings)} differs"
    if seen.get("unit") != unit(settings):
        yield "the unit that loads it differs"
    elif not (seen.get("enabled") and seen.get("active")):
        yield "the unit that loads it is not enabled, or not active"


def is_there(seen: Mapping[str, Any]) -> bool:
    """Whether anything of a firewall of ours is on a host."""
    return any(seen.get(part) for part in ("table", "file", "unit", "on_trial"))
