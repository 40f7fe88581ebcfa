"""The gateway: Nginx's configuration, its Lua and data, its limits, certificate and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rackwright.desired import paths
from rackwright.desired.fleet_data import fleet_data
from rackwright.desired.folders import config_folder
from rackwright.desired.gateway_config import IDLE_CONNECTIONS, Places, gateway_config
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
from rackwright.desired.items import (
    Certificate,
    Directory,
    File,
    GatewayData,
    Item,
    NginxLimits,
    Unit,
)
from rackwright.plan import Upstream
from rackwright.spec import GatewaySpec, Settings

SPARE_CONNECTIONS = 512
"""Clients that hold a connection and ask nothing, and Nginx's own: its default for all."""
MOST_CONNECTIONS = 500_000
"""A process may open 1,048,576 files unless the kernel is told otherwise (fs.nr_open)."""


def upstream_name(upstream: Upstream) -> str:
    """What Nginx calls the replicas of a service."""
    return f"rackwright_{upstream.service.name.replace('-', '_')}"


def connections(upstreams: Sequence[Upstream]) -> int:
    """What a worker must be able to hold, if all come to it.

    Two for each request, to its client and its replica; and for each that runs one that waits.
    """
    slots = sum(one.limits.max_num_seqs for upstream in upstreams for one in upstream.replicas)
    needed = 2 * (slots + slots) + IDLE_CONNECTIONS + SPARE_CONNECTIONS
    return min(needed, MOST_CONNECTIONS)


def gateway_items(
    gateway: GatewaySpec,
    upstreams: Sequence[Upstream],
    settings: Settings,
    resolved: Mapping[str, str],
    nameservers: Sequence[str] = (),
) -> list[Item]:
    """Certificate, limits, configuration, data and unit; all is tested before it is loaded.

    ``resolved`` has the IP address of each of ``named_addresses``: Nginx looks up no replica
    itself, so it starts without a name server. ``nameservers`` are asked for outside APIs alone.
    """
    certificate, key = gateway.certificate, gateway.certificate_key
    made: list[Certificate] = []
    if not (certificate and key):
        certificate, key = paths.certificate_paths(settings.config_dir)
        made = [Certificate(certificate, key, gateway.server_name)]
    places = Places(FOLDER, live_folder(settings), SOCKET, certificate, key, TRUSTED)
    names = host_names(gateway, upstreams)
    asked = nameservers if overflows(upstreams) else ()
    config = File(CONFIG, gateway_config(gateway.port, names, places, settings, asked))
    lua = File(LUA, (paths.PROJECT / "templates/gateway.lua").read_bytes())
    needed = connections(upstreams)
    limits = NginxLimits(worker_connections=needed, worker_rlimit_nofile=2 * needed)
    validate = ("nginx", "-t", "-q")
    drop_in = drop_in_file()
    unit = Unit("nginx.service", reload_on=(config, lua, limits, drop_in, *made), validate=validate)
    folders = [config_folder(settings), Directory(f"{settings.config_dir}/tls", mode=0o750)]
    content = fleet_data(gateway, upstreams, settings, resolved)
    fleet = File(FLEET, content, mode=0o640, group=NGINX)
    return [
        *(folders if made else []),
        *made,
        *folder_items(settings),
        drop_in,
        fleet,
        lua,
        config,
        limits,
        unit,
        GatewayData(SOCKET, fleet, KEYS),
    ]


def host_names(gateway: GatewaySpec, upstreams: Sequence[Upstream]) -> tuple[str, ...]:
    """All that a gateway answers to; its certificate has them."""
    of_services = (name for upstream in upstreams for name in upstream.service.host_names)
    return (gateway.server_name, *gateway.other_names, *of_services)


def overflows(upstreams: Sequence[Upstream]) -> bool:
    """Whether any service has an outside API, whose name Nginx looks up."""
    return any(upstream.service.overflow for upstream in upstreams)
