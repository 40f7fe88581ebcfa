"""Gateways that are changed one after another, each proven before the next."""

from __future__ import annotations

from typing import Any

from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host

from rackwright.errors import HostError
from rackwright.runner.operations import fail
from rackwright.runner.remote_call import call
from rackwright.runner.turns import Stopped, Turns

GATEWAYS = Turns("changed")
PROOF_S = 300
WELL = "200"


def in_turn(state: Any, host: Host, change: FunctionCommand, request: dict[str, Any]) -> bool:
    """A change of one gateway, while the others are as they were, and none after one it broke."""
    try:
        with GATEWAYS.take(host):
            before = call(host, "through_gateway", request, timeout_s=PROOF_S, kind=dict)
            if not change.function(state, host, *change.args):
                raise Stopped(f"{host.name} is not as planned, see above")
            _prove(host, before, request)
    except HostError as error:
        return fail(host, str(error))
    return True


def _prove(host: Host, before: dict[str, str], request: dict[str, Any]) -> None:
    """Raise Stopped where a service completed requests through the gateway and now does not.

    One that did not before has no replica up yet, or never had: `verify` judges it.
    """
    after = call(host, "through_gateway", request, timeout_s=PROOF_S, kind=dict)
    for name, said in before.items():
        if said == WELL and after.get(name) != WELL:
            raise Stopped(
                f"{name} completed requests through {host.name} before the change and does not "
                f"now ({after.get(name)}): see /var/log/nginx/rackwright.log there, mend it and "
                "run this again; other gateways stay as they are"
            )
