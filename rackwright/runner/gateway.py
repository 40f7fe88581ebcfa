"""A gateway needs one thing that only it knows: which addresses servers' names have there."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.addresses import is_ip, name_faults, named_addresses, resolved
from rackwright.desired.gateway import gateway_items, no_gateway, overflows
from rackwright.desired.gateway_keys import KeyFiles
from rackwright.errors import HostError
from rackwright.plan import Upstream
from rackwright.runner.operations import converge, refuse
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.spec import GatewaySpec, Settings


@operation()
def converge_gateway(
    gateway: GatewaySpec | None, upstreams: Sequence[Upstream], settings: Settings, keys: KeyFiles
) -> Generator[FunctionCommand]:
    """Look up what is declared by name, then converge on a configuration that names none.

    Of a host that is no gateway, what it had as one is taken away.
    """
    if gateway is None:
        yield from converge._inner(items=no_gateway(settings))
        return
    names = named_addresses(upstreams)
    try:
        looked_up = call(host, "names", names, timeout_s=LOOK_UP_S, kind=dict) if names else {}
        nameservers = _nameservers() if overflows(upstreams) else ()
    except HostError as error:
        yield refuse(str(error))
        return
    if faults := list(name_faults(upstreams, looked_up, host.name)):
        lines = "".join(f"\n  {fault}" for fault in faults)
        remedy = f"mend the name for {host.name} (DNS, /etc/hosts), or declare the IP address"
        yield refuse(f"Nginx goes on as it was:{lines}\n{remedy}", str(faults[0]), remedy)
        return
    items = gateway_items(gateway, upstreams, settings, resolved(looked_up), nameservers, keys)
    yield from converge._inner(items=items)


def _nameservers() -> tuple[str, ...]:
    """Those of the host; raises HostError where it has none."""
    said = call(host, "nameservers", kind=list)
    found = tuple(name for name in said if isinstance(name, str) and is_ip(name.strip("[]")))
    if not found:
        raise HostError(
            f"{host.name}: /etc/resolv.conf names no server that Nginx can ask, and a service "
            "overflows to an API by name"
        )
    return found
