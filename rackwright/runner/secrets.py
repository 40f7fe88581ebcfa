"""Secrets come from the operator's environment and travel on standard input only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rackwright.clients import Clients
from rackwright.errors import Fault, SpecError, gathered
from rackwright.remote.served.key_id import key_id
from rackwright.schema.secrets import secret_rule
from rackwright.spec import FleetSpec, ServiceSpec, Settings

if TYPE_CHECKING:
    from rackwright.desired.gateway_keys import KeyFiles

HEADING = "in this machine's environment; no host was touched"


def secret(variable: str, source: str | None) -> dict[str, str]:
    """``{variable: value}`` from the controller's variable named ``source``; empty when unset."""
    value = os.environ.get(source, "") if source else ""
    return {variable: value} if value else {}


def key_files(clients: Clients, spec: FleetSpec, gateway: str) -> KeyFiles:
    """What a gateway is to have of keys: those of its clients, the engines', those of outside APIs.

    ``gateway`` is the host's name.
    """
    from rackwright.desired.gateway_keys import KeyFiles, keys_file, secrets_file

    engine = secret("key", spec.settings[gateway].engine_api_key_env)
    outside = {
        service.name: os.environ.get(service.overflow.key_env, "")
        for service in spec.services.values()
        if service.overflow
    }
    return KeyFiles(keys_file(clients), secrets_file(engine.get("key", ""), outside))


def engine_key_id(settings: Settings) -> str:
    """Of the engines' key that group data name; empty for none."""
    return key_id(secret("key", settings.engine_api_key_env).get("key", ""))


def require_secrets(fleet: FleetSpec) -> None:
    """Raise SpecError for variables that settings and services name and that hold no key or token.

    No message has a value.
    """
    if faults := list(secret_faults(fleet)):
        raise SpecError(faults, HEADING)


def secret_faults(fleet: FleetSpec) -> Iterator[Fault]:
    """What is wrong with them: an engine whose key is not there would answer everybody.

    A token is for gated repositories only, so it may be absent.
    """
    found = ((name, fault) for name, own in fleet.settings.items() for fault in _of_host(own))
    yield from gathered(found)
    for service in fleet.services.values():
        yield from _of_service(service)


def _of_host(settings: Settings) -> Iterator[Fault]:
    yield from _needed("settings.engine_api_key_env", settings.engine_api_key_env)
    yield from _needed("settings.gateway_key_env", settings.gateway_key_env)
    yield from _as_written("settings.hf_token_env", settings.hf_token_env)


def _of_service(service: ServiceSpec) -> Iterator[Fault]:
    if service.overflow:
        yield from _needed(f"services[{service.name}].overflow.key_env", service.overflow.key_env)


def _needed(path: str, name: str | None) -> Iterator[Fault]:
    if name and not os.environ.get(name):
        unset = "is empty" if name in os.environ else "is not set"
        yield Fault(path, f"names {name}, which {unset} here: export it")
    yield from _as_written(path, name)


def _as_written(path: str, name: str | None) -> Iterator[Fault]:
    if name and (value := os.environ.get(name)) and (rule := secret_rule(value)):
        yield Fault(path, f"names {name}, whose value {rule}")
