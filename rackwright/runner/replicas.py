"""Replicas need one thing only the host knows: the UUIDs of its GPUs. Then they are plain items."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.context import host

from rackwright.desired.replicas import replica_items
from rackwright.errors import HostError
from rackwright.plan import Replica
from rackwright.runner.operations import converge, refuse
from rackwright.runner.probing import probe
from rackwright.spec import Settings


@operation()
def converge_replicas(
    replicas: Sequence[Replica], settings: Settings, api_key: str
) -> Generator[FunctionCommand]:
    """Probe the host's GPUs, then converge on the units that use them by UUID.

    A host without replicas is asked only whether it had some.
    """
    if not replicas:
        yield from converge._inner(items=replica_items((), settings, None))
        return
    try:
        observed = probe(host)
    except HostError as error:
        yield refuse(str(error))
        return
    uuids = [(gpu and gpu["uuid"]) or "" for gpu in observed["gpus"]]
    needed = {index for replica in replicas for index in replica.gpus}
    if absent := sorted(index for index in needed if index >= len(uuids) or not uuids[index]):
        yield refuse(_absent(absent, observed))
        return
    yield from converge._inner(items=replica_items(replicas, settings, uuids, api_key))


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
