"""All items of one host, as the stages of a deploy have them: what else it is to be compared with.

A deploy hands them on stage by stage (``tasks/``), and some only once the host has told of itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of, lock_items
from rackwright.desired.gateway import gateway_items
from rackwright.desired.gateway_places import no_gateway
from rackwright.desired.items import Item
from rackwright.desired.replicas import replica_items
from rackwright.desired.routers import no_other_routers
from rackwright.desired.watchdog import watchdog_items
from rackwright.planning.firewall import firewall_of
from rackwright.runner.fleet import FleetRun
from rackwright.runner.watchdog import packed


def host_items(fleet: FleetRun, name: str, gpus: Sequence[Mapping[str, Any]]) -> list[Item]:
    """Every one; ``gpus`` are the host's by index, with ``uuid`` and ``pci_bus_id``."""
    settings, replicas, spec = fleet.settings(name), fleet.plan.on(name), fleet.spec
    engines, gateway = engines_of(replicas), spec.gateways.get(name)
    items = base_items(
        settings,
        server=name in spec.servers,
        gateway=gateway is not None,
        engines=engines,
        firewall=firewall_of(name, spec, fleet.plan) is not None,
    )
    items += lock_items(engines, settings)
    items += watchdog_items(name, spec, fleet.plan, gpus, packed())
    items += replica_items(replicas, settings, [gpu["uuid"] for gpu in gpus])
    if gateway is None:
        return [*items, *no_gateway(settings), *no_other_routers((), settings)]
    upstreams, watchdogs = fleet.plan.upstreams, fleet.watchdogs
    items += gateway_items(gateway, upstreams, settings, {}, watchdogs=watchdogs)
    return [*items, *no_other_routers((), settings)]
