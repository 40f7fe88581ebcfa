"""Replicas need one thing only the host knows: the UUIDs of its GPUs. Then they are plain items."""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping, Sequence

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.addresses import is_ip, own_name_fault
from rackwright.desired.replicas import replica_items
from rackwright.errors import Fault, HostError, RackwrightError
from rackwright.plan import Replica
from rackwright.runner.operations import converge, refuse
from rackwright.runner.probing import probe
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.spec import ServerSpec, Settings


@operation()
def converge_replicas(
    replicas: Sequence[Replica], settings: Settings, api_key: str, gateways: Collection[str]
) -> Generator[FunctionCommand]:
    """Probe the host's GPUs, then converge on the units that use them by UUID.

    A host without replicas is asked only whether it had some. ``gateways`` are hosts that are to
    reach the replicas.
    """
    if not replicas:
        yield from converge._inner(items=replica_items((), settings, None))
        return
    try:
        fault = _fault_of_name(replicas[0].server, gateways)
        observed = probe(host)
    except HostError as error:
        yield refuse(str(error))
        return
    if fault:
        yield refuse(str(fault))
        return
    uuids = [(gpu and gpu["uuid"]) or "" for gpu in observed["gpus"]]
    needed = {index for replica in replicas for index in replica.gpus}
    if absent := sorted(index for index in needed if index >= len(uuids) or not uuids[index]):
        yield refuse(_absent(absent, observed))
        return
    try:
        items = replica_items(replicas, settings, uuids, api_key)
    except RackwrightError as error:  # of what the host said of itself: other hosts go on
        yield refuse(f"{host.name}: {error}")
        return
    yield from converge._inner(items=items)


def _fault_of_name(server: ServerSpec, gateways: Collection[str]) -> Fault | None:
    """Of a server that is declared by a host name; engines listen where it leads to."""
    if is_ip(server.address):
        return None
    said = call(host, "names", [server.address], timeout_s=LOOK_UP_S, kind=dict)[server.address]
    return own_name_fault(server, said, reached=bool(set(gateways) - {server.name}))


def _absent(absent: Sequence[int], observed: Mapping[str, object]) -> str:
    gpus = observed["gpus"]
    assert isinstance(gpus, list)
    why = observed.get("unavailable") or {}
    assert isinstance(why, dict)
    reason = f" ({why['nvml']})" if "nvml" in why else ""
    return (
        f"{host.name} shows {len(gpus)} GPU(s){reason}, but the plan uses index "
        f"{', '.join(map(str, absent))}: correct `gpus` in the inventory (`rackwright "
        "discover` prints it) or mend the server"
    )
