"""The gateway: Nginx's configuration, its Lua and data, its limits, certificate and unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rackwright.desired import paths
from rackwright.desired.addresses import address_of
from rackwright.desired.fleet_data import fleet_data
from rackwright.desired.folders import config_folder
from rackwright.desired.gateway_answers import gateway_answers
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
from rackwright.desired.render import render
from rackwright.plan import Upstream
from rackwright.spec import GatewaySpec, Settings

OPENAI_PATHS = {
    "/v1/models": "GET",
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/embeddings": "POST",
    "/v1/responses": "POST",
}
"""What clients may reach, and how. An engine serves more on the same port (metrics, weights)."""
CIPHERS = tuple(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
"""Of TLS 1.2: those that authenticate what they encrypt, with keys of one session (RFC 9325)."""
IDLE_CONNECTIONS = 64
"""To the replicas of a service, kept open by each worker."""
SPARE_CONNECTIONS = 512
"""Clients that hold a connection and ask nothing, and Nginx's own: its default for all."""
MOST_CONNECTIONS = 500_000
"""A process may open 1,048,576 files unless the kernel is told otherwise (fs.nr_open)."""


class _Route(NamedTuple):
    location: str
    path: str
    method: str
    upstream: str


def upstream_name(upstream: Upstream) -> str:
    """What Nginx calls the replicas of a service."""
    return f"rackwright_{upstream.service.name.replace('-', '_')}"


def connections(upstreams: Sequence[Upstream]) -> int:
    """What a worker must be able to hold, if all come to it.

    Two for each request, to its client and its replica; and for each that runs one that waits.
    """
    slots = sum(one.limits.max_num_seqs for upstream in upstreams for one in upstream.replicas)
    needed = 2 * (slots + slots) + IDLE_CONNECTIONS * len(upstreams) + SPARE_CONNECTIONS
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
    values = {
        "gateway": gateway,
        "host_names": dict.fromkeys(map(str.lower, host_names(gateway, upstreams))),
        "settings": settings,
        "certificate": certificate,
        "certificate_key": key,
        "upstreams": [_upstream(upstream, resolved) for upstream in upstreams],
        "routes": list(_routes(upstreams)),
        "methods": OPENAI_PATHS,
        "answers": list(gateway_answers(gateway, settings)),
        "headers": _headers(settings),
        "ciphers": CIPHERS,
        "idle_connections": IDLE_CONNECTIONS,
        "folder": FOLDER,
        "state_dir": live_folder(settings),
        "socket": SOCKET,
        "resolvers": nameservers if overflows(upstreams) else (),
        "overflow": overflows(upstreams),
        "trusted": TRUSTED,
        "connections": connections(upstreams),
    }
    config = File(CONFIG, render("gateway.conf.j2", values))
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


def _headers(settings: Settings) -> tuple[tuple[str, str], ...]:
    """What every answer says. Where a location says more, Nginx forgets those of the server."""
    said = (("X-Rackwright-Replica", "$rackwright_replica"), ("X-Request-ID", "$request_id"))
    if settings.hsts_max_age_s is None:
        return said
    return (*said, ("Strict-Transport-Security", f'"max-age={settings.hsts_max_age_s}"'))


def _upstream(upstream: Upstream, resolved: Mapping[str, str]) -> dict[str, Any]:
    """``zone_kib``: a server takes less than 1 KiB of the memory that workers share."""
    servers = [
        (one.name, address_of(one.server.address, one.port, resolved)) for one in upstream.replicas
    ]
    zone_kib = 64 + 2 * len(servers)
    return {"name": upstream_name(upstream), "servers": servers, "zone_kib": zone_kib}


def _routes(upstreams: Sequence[Upstream]) -> Iterator[_Route]:
    """Each path below its service's name; of a service that is alone also as it is."""
    for upstream in upstreams:
        named = f"/{upstream.service.name}"
        for path, method in OPENAI_PATHS.items():
            for prefix in ("", named) if len(upstreams) == 1 else (named,):
                yield _Route(f"{prefix}{path}", path, method, upstream_name(upstream))
