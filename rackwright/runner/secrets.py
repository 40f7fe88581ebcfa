"""Secrets come from the operator's environment and travel on standard input only."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from rackwright.errors import Fault, SpecError, gathered
from rackwright.schema.secrets import secret_rule
from rackwright.spec import Settings

HEADING = "in this machine's environment; no host was touched"


def secret(variable: str, source: str | None) -> dict[str, str]:
    """``{variable: value}`` from the controller's variable named ``source``; empty when unset."""
    value = os.environ.get(source, "") if source else ""
    return {variable: value} if value else {}


def require_secrets(settings: Mapping[str, Settings]) -> None:
    """Raise SpecError for variables that hosts' settings name and that hold no key or token.

    No message has a value.
    """
    if faults := list(secret_faults(settings)):
        raise SpecError(faults, HEADING)


def secret_faults(settings: Mapping[str, Settings]) -> Iterator[Fault]:
    """What is wrong with them: an engine whose key is not there would answer everybody.

    A token is for gated repositories only, so it may be absent.
    """
    found = ((name, fault) for name, own in settings.items() for fault in _faults(own))
    yield from gathered(found)


def _faults(settings: Settings) -> Iterator[Fault]:
    needed, wanted = settings.engine_api_key_env, settings.hf_token_env
    if needed and not os.environ.get(needed):
        unset = "is empty" if needed in os.environ else "is not set"
        yield Fault("settings.engine_api_key_env", f"names {needed}, which {unset} here: export it")
    for key, name in (("engine_api_key_env", needed), ("hf_token_env", wanted)):
        if name and (value := os.environ.get(name)) and (rule := secret_rule(value)):
            yield Fault(f"settings.{key}", f"names {name}, whose value {rule}")
