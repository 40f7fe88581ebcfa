"""The gateway: Nginx's configuration for the plan's upstreams, its limits, certificate and unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rackwright.desired.addresses import address_of
from rackwright.desired.gateway_answers import gateway_answers
from rackwright.desired.gateway_tls import CIPHERS, MARK, NO_CHALLENGES, gateway_tls
from rackwright.desired.items import Absent, File, Item, NginxLimits, Unit
from rackwright.desired.names import gateway_names
from rackwright.desired.render import render
from rackwright.plan import Upstream
from rackwright.spec import GatewaySpec, Settings

CONFIG = "/etc/nginx/conf.d/rackwright.conf"
NO_GATEWAY: list[Item] = [Absent(CONFIG, MARK, reload="nginx.service"), NO_CHALLENGES]
"""Of every host that is none: it may have been one."""
OPENAI_PATHS = {
    "/v1/models": "GET",
    "/v1/chat/completions": "POST",
    "/v1/completions": "POST",
    "/v1/embeddings": "POST",
    "/v1/responses": "POST",
}
"""What clients may reach, and how. An engine serves more on the same port (metrics, weights)."""
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
) -> list[Item]:
    """Certificate, limits, configuration and unit; all is tested before it is loaded.

    ``resolved`` has the IP address of each of ``named_addresses``: Nginx looks up none itself, so
    it starts without a name server, and can tell which replica answered.
    """
    names = gateway_names(gateway)
    tls = gateway_tls(gateway, settings, names)
    values = {
        "gateway": gateway,
        "host_names": names,
        "settings": settings,
        "tls": tls,
        "upstreams": [_upstream(upstream, resolved) for upstream in upstreams],
        "routes": list(_routes(upstreams)),
        "methods": OPENAI_PATHS,
        "answers": list(gateway_answers(gateway, settings)),
        "headers": _headers(settings),
        "ciphers": CIPHERS,
        "idle_connections": IDLE_CONNECTIONS,
    }
    config = File(CONFIG, render("gateway.conf.j2", values))
    needed = connections(upstreams)
    limits = NginxLimits(worker_connections=needed, worker_rlimit_nofile=2 * needed)
    validate = ("nginx", "-t", "-q")
    unit = Unit("nginx.service", reload_on=(config, limits, *tls.loaded), validate=validate)
    return [*tls.items, config, limits, unit]


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
