"""Rules of what clients ask a gateway for: names of models and hosts, keys, outside APIs."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.engines.endpoints import ENDPOINTS
from rackwright.errors import Fault, nearest
from rackwright.inventory.rules.declared import Declared
from rackwright.spec import FleetSpec, GatewaySpec, ServiceSpec


def asking_faults(fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    """Each name leads to one service, and each gateway knows what to do without one."""
    yield from _names(fleet)
    yield from _host_names(fleet)
    for gateway in fleet.gateways.values():
        yield from _gateway(gateway, fleet, declared)
    yield from _engine_keys(fleet)
    for service in fleet.services.values():
        yield from _service(service)


def _names(fleet: FleetSpec) -> Iterator[Fault]:
    """Names of models: served ones first, so that an alias is what is at fault."""
    known: dict[str, str] = {}
    for service in fleet.services.values():
        path = f"services[{service.name}]"
        if (first := known.setdefault(service.served_as, path)) != path:
            rule = f"is served by {first} already, set served_model_name"
            yield Fault(path, rule, service.served_as)
    for service in fleet.services.values():
        path = f"services[{service.name}]"
        aliases = ((f"{path}.aliases[{at}]", name) for at, name in enumerate(service.aliases))
        adapters = ((f"{path}.adapters.{name}", name) for name in service.adapters)
        for own, name in (*aliases, *adapters):
            if (first := known.setdefault(name, own)) != own:
                yield Fault(own, f"is a name of {first} already", name)


def _host_names(fleet: FleetSpec) -> Iterator[Fault]:
    """Gateways may share theirs: two of them are one door."""
    known = {
        name.lower(): f"gateways[{gateway.name}]"
        for gateway in fleet.gateways.values()
        for name in (gateway.server_name, *gateway.other_names)
    }
    for service in fleet.services.values():
        for at, name in enumerate(service.host_names):
            path = f"services[{service.name}].host_names[{at}]"
            if (first := known.setdefault(name.lower(), path)) != path:
                yield Fault(path, f"is a name of {first} already", name)


def _gateway(gateway: GatewaySpec, fleet: FleetSpec, declared: Declared) -> Iterator[Fault]:
    path = f"gateways[{gateway.name}]"
    if gateway.default and gateway.default not in declared.services:
        yield Fault(f"{path}.default", nearest(gateway.default, declared.services, "service"))
    settings = fleet.settings.get(gateway.name)
    if gateway.ask_keys is None and settings and settings.engine_api_key_env:
        rule = (
            "is required where engines ask for a key (engine_api_key_env), which the gateway has: "
            "True, each client must send one of its own, or False, everybody may ask"
        )
        yield Fault(f"{path}.ask_keys", rule)


def _engine_keys(fleet: FleetSpec) -> Iterator[Fault]:
    """A gateway asks all engines with one key."""
    first: tuple[str, str] | None = None
    for host in (*fleet.servers, *fleet.gateways):
        settings = fleet.settings.get(host)
        name = settings.engine_api_key_env if settings else None
        if name and first is None:
            first = host, name
        if first and name != first[1] and (name or host in fleet.gateways):
            rule = f"must be {first[1]} as on {first[0]}: gateways ask all engines with one key"
            yield Fault(f"settings[{host}].engine_api_key_env", rule, name)


def _service(service: ServiceSpec) -> Iterator[Fault]:
    path = f"services[{service.name}]"
    if taken := [p for p in ENDPOINTS if f"/{service.name}{p}" in ENDPOINTS]:
        rule = f"must have another name: its path /{service.name}{taken[0]} is the gateway's own"
        yield Fault(path, rule)
    if "*" in service.browser_origins and len(service.browser_origins) > 1:
        yield Fault(f"{path}.browser_origins", "must be * alone, which is every page, or without")
    overflow = service.overflow
    if overflow and not (overflow.requests_a_day or overflow.tokens_a_day):
        rule = "must have a budget: requests_a_day, tokens_a_day or both"
        yield Fault(f"{path}.overflow", rule)
