"""Secrets come from the operator's environment and travel on standard input only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from rackwright.clients import Clients
from rackwright.desired.gateway_keys import KeyFiles, keys_file, secrets_file
from rackwright.errors import Fault, SpecError, gathered
from rackwright.schema.secrets import secret_rule
from rackwright.spec import FleetSpec, ServiceSpec, Settings

NO_SERVICES: Mapping[str, ServiceSpec] = {}
HEADING = "in this machine's environment; no host was touched"


def secret(variable: str, source: str | None) -> dict[str, str]:
    """``{variable: value}`` from the controller's variable named ``source``; empty when unset."""
    value = os.environ.get(source, "") if source else ""
    return {variable: value} if value else {}


def key_files(clients: Clients, spec: FleetSpec, gateway: str) -> KeyFiles:
    """What a gateway is to have of keys: those of its clients, the engines', those of outside APIs.

    ``gateway`` is the host's name.
    """
    engine = secret("key", spec.settings[gateway].engine_api_key_env)
    outside = {
        service.name: os.environ.get(service.overflow.key_env, "")
        for service in spec.services.values()
        if service.overflow
    }
    return KeyFiles(keys_file(clients), secrets_file(engine.get("key", ""), outside))


def require_secrets(
    settings: Mapping[str, Settings], services: Mapping[str, ServiceSpec] = NO_SERVICES
) -> None:
    """Raise SpecError for variables that settings or services name and that hold no key or token.

    No message has a value.
    """
    if faults := list(secret_faults(settings, services)):
        raise SpecError(faults, HEADING)


def secret_faults(
    settings: Mapping[str, Settings], services: Mapping[str, ServiceSpec] = NO_SERVICES
) -> Iterator[Fault]:
    """What is wrong with them: an engine whose key is not there would answer everybody.

    A token is for gated repositories only, so it may be absent.
    """
    found = ((name, fault) for name, own in settings.items() for fault in _faults(own))
    yield from gathered(found)
    yield from _faults_of_services(services)


def _faults_of_services(services: Mapping[str, ServiceSpec]) -> Iterator[Fault]:
    """An outside API without its key would refuse each request that is sent there."""
    for name, service in services.items():
        if service.overflow:
            path = f"services[{name}].overflow.key_env"
            yield from _wrong_with(path, service.overflow.key_env)


def _faults(settings: Settings) -> Iterator[Fault]:
    for key in ("engine_api_key_env", "gateway_key_env"):
        if name := getattr(settings, key):
            yield from _wrong_with(f"settings.{key}", name)
    yield from _wrong_with("settings.hf_token_env", settings.hf_token_env, needed=False)


def _wrong_with(path: str, name: str, needed: bool = True) -> Iterator[Fault]:
    value = os.environ.get(name)
    if needed and not value:
        unset = "is empty" if name in os.environ else "is not set"
        yield Fault(path, f"names {name}, which {unset} here: export it")
    if value and (rule := secret_rule(value)):
        yield Fault(path, f"names {name}, whose value {rule}")
