"""Routers of a gateway as units: of no more rights than engines, and gone when none wants them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rackwright.desired import paths
from rackwright.desired.fleet_data import ROUTER_HOST, service_data
from rackwright.desired.folders import root_folder
from rackwright.desired.items import Absent, Directory, File, Item, NoOtherUnits, Unit
from rackwright.desired.render import render
from rackwright.desired.replicas import AWAIT_READY, RELEASES
from rackwright.engines.release import script_text
from rackwright.plan import Router, Upstream
from rackwright.routers import ROUTERS, RouterKind
from rackwright.spec import Settings

MARK = "Description=Rackwright router "
"""By this line of its unit file a router of ours is known."""
START_TIMEOUT_S = 30
"""A router starts in seconds where any replica is well; that none is ends no deploy."""


def kinds_of(routers: Iterable[Router]) -> tuple[RouterKind, ...]:
    """What must be installed for them, each once."""
    used = {router.kind for router in routers}
    return tuple(kind for name, kind in ROUTERS.items() if name in used)


def router_items(
    routers: Sequence[Router],
    upstreams: Sequence[Upstream],
    settings: Settings,
    resolved: Mapping[str, str],
) -> list[Item]:
    """Their units. They hold no key: it comes with each request, from Nginx.

    ``resolved`` has the IP address of each server that is declared by name.
    """
    services = {one.service.name: one for one in upstreams}
    if not routers:
        return []
    ready = File(paths.script(AWAIT_READY, settings), script_text(AWAIT_READY).encode(), 0o755)
    items: list[Item] = [root_folder(settings), Directory(f"{settings.root_dir}/bin"), ready]
    for router in routers:
        upstream = services[router.service.name]
        unit = _unit_file(router, service_data(upstream, settings, resolved), settings)
        items += [unit, Unit(paths.router_unit(router), restart_on=(unit,))]
    return items


def no_other_routers(routers: Sequence[Router], settings: Settings) -> list[Item]:
    """What a gateway had of routers and has not any more: units first, then what they ran."""
    used = kinds_of(routers)
    keep = tuple(paths.router_unit(router) for router in routers)
    return [
        NoOtherUnits(f"{paths.UNIT_PREFIX}*.service", MARK, keep),
        *(
            Absent(paths.engine_dir(kind, settings), RELEASES)
            for kind in ROUTERS.values()
            if kind not in used
        ),
    ]


def _unit_file(router: Router, service: Mapping[str, Any], settings: Settings) -> File:
    kind = ROUTERS[router.kind]
    hosts = (replica["host"].strip("[]") for replica in service["replicas"])
    values = {
        "router": router,
        "settings": settings,
        "documentation": kind.documentation,
        "program": f"{paths.release_dir(kind, settings)}/{kind.program()}",
        "argv": kind.argv(service, router.port, router.metrics_port),
        "reached": list(dict.fromkeys(hosts)),
        "address": ROUTER_HOST,
        "health_path": kind.health_path,
        "start_timeout_s": START_TIMEOUT_S,
    }
    name = paths.router_unit(router)
    return File(f"/etc/systemd/system/{name}", render("router.service.j2", values))
