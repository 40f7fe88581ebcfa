"""The gateway: Nginx's configuration, its Lua and data, its limits, certificate and unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rackwright.desired import paths
from rackwright.desired.fleet_data import fleet_data, queue_of
from rackwright.desired.folders import config_folder
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


def connections(upstreams: Sequence[Upstream], settings: Settings) -> int:
    """What a worker must be able to hold, if all come to it.

    Two for each request that runs, to its client and its replica; and as many again for those that
    wait: as many as run, or as the services' queues take.
    """
    slots = sum(one.limits.max_num_seqs for upstream in upstreams for one in upstream.replicas)
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
) -> list[Item]:
    """Certificate, folders, configuration, limits, unit and data; tested before it is loaded.

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
    needed = connections(upstreams, settings)
    loaded = (
        File(CONFIG, gateway_config(gateway.port, names, places, settings, asked)),
        File(LUA, (paths.PROJECT / "templates/gateway.lua").read_bytes()),
        keys.own,
        drop_in_file(),
        NginxLimits(worker_connections=needed, worker_rlimit_nofile=2 * needed),
    )
    content = fleet_data(gateway, upstreams, settings, resolved)
    fleet = File(FLEET, content, mode=0o640, group=NGINX)
    folders = [config_folder(settings), Directory(f"{settings.config_dir}/tls", mode=0o750)]
    return [
        *(folders if made else []),
        *made,
        *folder_items(settings),
        fleet,
        keys.clients,
        *loaded,
        Unit("nginx.service", reload_on=(*loaded, *made), validate=("nginx", "-t", "-q")),
        GatewayData(SOCKET, fleet, KEYS),
    ]


def host_names(gateway: GatewaySpec, upstreams: Sequence[Upstream]) -> tuple[str, ...]:
    """All that a gateway answers to; its certificate has them."""
    of_services = (name for upstream in upstreams for name in upstream.service.host_names)
    return (gateway.server_name, *gateway.other_names, *of_services)


def overflows(upstreams: Sequence[Upstream]) -> bool:
    """Whether any service has an outside API, whose name Nginx looks up."""
    return any(upstream.service.overflow for upstream in upstreams)
