"""The gateway: Nginx's configuration for the plan's upstreams, its certificate and its unit."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.desired import paths
from rackwright.desired.folders import config_folder
from rackwright.desired.items import Absent, Certificate, Directory, File, Item, Unit
from rackwright.desired.render import render
from rackwright.plan import Upstream
from rackwright.spec import GatewaySpec, Settings

CONFIG = "/etc/nginx/conf.d/rackwright.conf"
MARK = "# Written by Rackwright"
NO_GATEWAY: list[Item] = [Absent(CONFIG, MARK, reload="nginx.service")]
"""Of every host that is none: it may have been one."""
OPENAI_PATHS = (
    "/v1/models",
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
)
"""What clients may reach. An engine serves more on the same port (metrics, pause, weights)."""


def upstream_name(upstream: Upstream) -> str:
    """What Nginx calls the replicas of a service."""
    return f"rackwright_{upstream.service.name.replace('-', '_')}"


def gateway_items(
    gateway: GatewaySpec, upstreams: Sequence[Upstream], settings: Settings
) -> list[Item]:
    """Certificate, configuration and unit; the configuration is tested before it is loaded."""
    certificate, key = gateway.certificate, gateway.certificate_key
    made: list[Certificate] = []
    if not (certificate and key):
        certificate, key = paths.certificate_paths(settings.config_dir)
        made = [Certificate(certificate, key, gateway.server_name)]
    values = {
        "gateway": gateway,
        "upstreams": upstreams,
        "names": {upstream.service.name: upstream_name(upstream) for upstream in upstreams},
        "settings": settings,
        "certificate": certificate,
        "certificate_key": key,
        "paths": OPENAI_PATHS,
    }
    config = File(CONFIG, render("gateway.conf.j2", values))
    unit = Unit("nginx.service", reload_on=(config, *made), validate=("nginx", "-t", "-q"))
    folders = [config_folder(settings), Directory(f"{settings.config_dir}/tls", mode=0o750)]
    return [*(folders if made else []), *made, config, unit]
