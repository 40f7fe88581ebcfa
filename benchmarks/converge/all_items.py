"""Every item of a host, its firewall among them: what a deploy would leave it with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.host_items import host_items
from rackwright.desired.firewall import ruleset, ruleset_path, unit
from rackwright.desired.items import Directory, File, Item, Package, Unit, User
from rackwright.planning.firewall import Firewall, firewall_of
from rackwright.remote.firewall import UNIT_FILE
from rackwright.runner.fleet import FleetRun
from rackwright.spec import Settings

DROP_INS = Directory("/etc/systemd/system/nginx.service.d")
"""This project makes the folder of a file with it; others have to be told."""


def items_of(fleet: FleetRun, name: str, gpus: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Every item of a host, its firewall among them."""
    items = host_items(fleet, name, gpus)
    if any(isinstance(item, File) and item.key.startswith(DROP_INS.key) for item in items):
        items.append(DROP_INS)
    firewall = firewall_of(name, fleet.spec, fleet.plan)
    if firewall is None:
        return items
    first = [item for item in items if isinstance(item, Package | User | Directory)]
    others = [item for item in items if item not in first]
    return [*first, *_of_firewall(firewall, fleet.settings(name)), *others]


def _of_firewall(firewall: Firewall, settings: Settings) -> list[Item]:
    """As items: a deploy loads it on trial first, and then has just these."""
    rules = File(ruleset_path(settings), ruleset(firewall.table({}, ())).encode())
    loads = File(str(UNIT_FILE), unit(settings).encode())
    return [rules, loads, Unit(UNIT_FILE.name, restart_on=(rules, loads))]
