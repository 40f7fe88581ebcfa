"""The certificate of a gateway that a CA is asked for."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

import click
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.acme import acme_certificate
from rackwright.errors import HostError
from rackwright.runner.looking import look
from rackwright.runner.operations import fail, refuse
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.spec import GatewaySpec, ServiceSpec, Settings

ASK_S = 400
"""For certbot: longer than it is given on the host."""


@operation()
def issue_certificate(
    gateway: GatewaySpec | None, services: Iterable[ServiceSpec], settings: Settings
) -> Generator[FunctionCommand]:
    """Have the CA issue what is missing, or for other names; without a reason it is not asked.

    Where it refuses, the gateway goes on with the certificate that it has.
    """
    wanted = acme_certificate(gateway, services, settings) if gateway else None
    if wanted is None:
        host.noop("not for this host")
        return
    request = wanted.request()
    try:
        seen = look(host, "acme", {**request, "do": "observe"}, timeout_s=LOOK_UP_S, kind=dict)
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
    from rackwright.causes.certbot import refusal_of

    what, remedy = refusal_of(str(reply["words"]))
    message = f"No certificate was issued, Nginx goes on with the one it has: {what}\n{remedy}"
    return fail(host, message, f"no certificate was issued: {what}", remedy)
