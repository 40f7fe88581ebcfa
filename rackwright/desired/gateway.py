"""The gateway: Nginx's configuration, its Lua and data, its limits, certificate and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rackwright.desired import paths
from rackwright.desired.fleet_data import NO_WATCHDOGS, fleet_data, queue_of
from rackwright.desired.gateway_config import IDLE_CONNECTIONS, Places, gateway_config
from rackwright.desired.gateway_keys import NO_KEYS, KeyFiles
from rackwright.desired.gateway_places import (
    CONFIG,
    FLEET,
    FOLDER,
    KEYS,
    LUA,
    NGINX,
    SOCKET,
    TRUSTED,
    drop_in_file,
    folder_items,
    live_folder,
)
from rackwright.desired.gateway_tls import gateway_tls
from rackwright.desired.items import File, GatewayData, Item, NginxLimits, Unit
from rackwright.plan import Router, Upstream
from rackwright.planning.names import gateway_names
from rackwright.spec import GatewaySpec, Settings

SPARE_CONNECTIONS = 512
"""Clients that hold a connection and ask nothing, and Nginx's own: its default for all."""
MOST_CONNECTIONS = 500_000
"""A process may open 1,048,576 files unless the kernel is told otherwise (fs.nr_open)."""


def connections(upstreams: Sequence[Upstream], settings: Settings) -> int:
    """What a worker must be able to hold, if all come to it.

    Two for each request that runs, to its client and its replica; and as many again for those that
    wait: as many as run, or as the services' queues take.
    """
    slots = sum(one.most_requests for upstream in upstreams for one in upstream.replicas)
    waiting = sum(queue_of(upstream.service, settings)["length"] for upstream in upstreams)
    needed = 2 * (slots + max(slots, waiting))
    return min(needed + IDLE_CONNECTIONS + SPARE_CONNECTIONS, MOST_CONNECTIONS)


def gateway_items(
    gateway: GatewaySpec,
    upstreams: Sequence[Upstream],
    settings: Settings,
    resolved: Mapping[str, str],
    nameservers: Sequence[str] = (),
    keys: KeyFiles = NO_KEYS,
    peers: Sequence[str] = (),
    watchdogs: Mapping[str, int] = NO_WATCHDOGS,
    routers: Sequence[Router] = (),
) -> list[Item]:
    """Certificate, folders, configuration, limits, unit and data; tested before it is loaded.

    ``resolved`` has the IP address of each of ``named_addresses``: Nginx looks up no replica
    itself, so it starts without a name server. ``nameservers`` are asked for outside APIs alone.
    ``peers`` are addresses of other gateways that clients see as this one, ``watchdogs`` the port
    of each server's that has one. ``routers`` are its own, each of one service.
    """
    names = gateway_names(gateway, (upstream.service for upstream in upstreams))
    tls = gateway_tls(gateway, settings, names, peers)
    served = (tls.certificate, tls.certificate_key)
    places = Places(FOLDER, live_folder(settings), SOCKET, *served, TRUSTED, tls.staples)
    asked = nameservers if overflows(upstreams) else ()
    needed = connections(upstreams, settings)
    loaded = (
        File(CONFIG, gateway_config(gateway.port, names, places, settings, asked)),
        File(LUA, (paths.PROJECT / "templates/gateway.lua").read_bytes()),
        *([keys.own] if keys.own else ()),
        drop_in_file(),
        NginxLimits(worker_connections=needed, worker_rlimit_nofile=2 * needed),
    )
    also = (watchdogs, routers, keys.of_replicas)
    content = fleet_data(gateway, upstreams, settings, resolved, *also)
    fleet = File(FLEET, content, mode=0o640, group=NGINX)
    return [
        *folder_items(settings),
        *tls.items,
        fleet,
        keys.clients,
        *loaded,
        Unit("nginx.service", reload_on=(*loaded, *tls.loaded), validate=("nginx", "-t", "-q")),
        GatewayData(SOCKET, fleet, KEYS),
    ]


def overflows(upstreams: Sequence[Upstream]) -> bool:
    """Whether any service has an outside API, whose name Nginx looks up."""
    return any(upstream.service.overflow for upstream in upstreams)
