"""A gateway's own operations: servers' names as it knows them, and the CA that it asks."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

import click
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.causes.certbot import refusal_of
from rackwright.desired.acme import acme_certificate
from rackwright.desired.addresses import name_faults, named_addresses, resolved
from rackwright.desired.gateway import NO_GATEWAY, gateway_items
from rackwright.errors import HostError
from rackwright.plan import Upstream
from rackwright.runner.operations import converge, fail, refuse
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.spec import GatewaySpec, Settings

ASK_S = 400
"""For certbot: longer than it is given on the host."""


@operation()
def converge_gateway(
    gateway: GatewaySpec | None, upstreams: Sequence[Upstream], settings: Settings
) -> Generator[FunctionCommand]:
    """Look up what is declared by name, then converge on a configuration that names none.

    Of a host that is no gateway, what it had as one is taken away.
    """
    if gateway is None:
        yield from converge._inner(items=NO_GATEWAY)
        return
    names = named_addresses(upstreams)
    try:
        looked_up = call(host, "names", names, timeout_s=LOOK_UP_S, kind=dict) if names else {}
    except HostError as error:
        yield refuse(str(error))
        return
    if faults := list(name_faults(upstreams, looked_up, host.name)):
        lines = "".join(f"\n  {fault}" for fault in faults)
        remedy = f"mend the name for {host.name} (DNS, /etc/hosts), or declare the IP address"
        yield refuse(f"Nginx goes on as it was:{lines}\n{remedy}", str(faults[0]), remedy)
        return
    items = gateway_items(gateway, upstreams, settings, resolved(looked_up))
    yield from converge._inner(items=items)


@operation()
def issue_certificate(
    gateway: GatewaySpec | None, settings: Settings
) -> Generator[FunctionCommand]:
    """Have the CA issue what is missing, or for other names; without a reason it is not asked.

    Where it refuses, the gateway goes on with the certificate that it has.
    """
    wanted = acme_certificate(gateway, settings) if gateway else None
    if wanted is None:
        host.noop("not for this host")
        return
    request = wanted.request()
    try:
        seen = call(host, "acme", {**request, "do": "observe"}, timeout_s=LOOK_UP_S, kind=dict)
    except HostError as error:
        yield refuse(str(error))
        return
    reason = wanted.difference(seen)
    if reason is None:
        host.noop("the certificate is as planned")
        return
    host.log(f"  {click.style('~', 'yellow')} certificate of {wanted.directory}: {reason}")
    yield FunctionCommand(_issue, ({**request, "command": wanted.command(reason)},), {})


def _issue(state: Any, host: Host, request: dict[str, Any]) -> bool:
    try:
        reply = call(host, "acme", {**request, "do": "ask"}, timeout_s=ASK_S, kind=dict)
    except HostError as error:
        return fail(host, str(error))
    if "words" not in reply:
        return True
    what, remedy = refusal_of(str(reply["words"]))
    message = f"No certificate was issued, Nginx goes on with the one it has: {what}\n{remedy}"
    return fail(host, message, f"no certificate was issued: {what}", remedy)
