"""Constant load through the fleet's own gateway, while something is changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rackwright.desired.gateway_tls import gateway_tls
from rackwright.planning.names import gateway_names
from rackwright.spec import GatewaySpec
from tests.gpu.fleet import Journey
from tests.samples.under_load import Door, Result, asked_at

KEY = "RACKWRIGHT_GATEWAY_KEY"
"""Of clients, where the gateway asks for one."""
REQUESTS = ("--streams", "8", "--plain", "8", "--max-tokens", "64")


@contextmanager
def loaded(journey: Journey, folder: Path, part: dict[str, Any]) -> Iterator[None]:
    """The block runs while every service is asked; what became of it is added to the part.

    Fails where a service of several replicas lost a request. Without a gateway nobody asks.
    """
    results: dict[str, Result] = {}
    gateway = next(iter(journey.fleet.spec.gateways.values()), None)
    with ExitStack() as stack:
        for upstream in journey.fleet.plan.upstreams if gateway else ():
            assert gateway
            name = upstream.service.name
            own = folder / name
            own.mkdir()
            door, key = _door(journey, gateway), os.environ.get(KEY, "none")
            asked = asked_at(door, own, upstream.service.served_as, *REQUESTS, key=key)
            results[name] = stack.enter_context(asked)
        yield
    part["load"] = {name: result.summary for name, result in results.items()}
    for upstream in journey.fleet.plan.upstreams:
        result = results.get(upstream.service.name)
        if result and len(upstream.replicas) > 1:
            assert result.summary["failed"] == 0, result.words(upstream.service.name)


def _door(journey: Journey, gateway: GatewaySpec) -> Door:
    names = gateway_names(gateway, journey.fleet.spec.services.values())
    path = gateway_tls(gateway, journey.fleet.settings(gateway.name), names).certificate
    server = journey.fleet.spec.servers.get(gateway.name)
    address = gateway.address or (server.address if server else gateway.server_name)
    certificate = journey.machine(gateway.name).file(path).content_string
    return Door(f"https://{gateway.server_name}:{gateway.port}", address, certificate)
