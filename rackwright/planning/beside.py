"""What can stand in for a service's only replica while that is changed: a copy on spare GPUs."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.plan import FleetPlan, Replica
from rackwright.schema.ports import LAST_PORT

BESIDE = "-beside"
"""How the name of a replica ends that stands in for another."""


def stand_in(plan: FleetPlan, replica: Replica) -> Replica | None:
    """A copy of a service's only replica on its own server, where release and weights are.

    On as many GPUs of its type that nothing is planned for, at a port of its own. None where there
    are too few, or where it needs no such thing: it spans servers, or has others beside it.
    """
    if len(plan.serving([replica.service.name])) != 1 or replica.span:
        return None
    spare = list(_spare_gpus(plan, replica))[: len(replica.gpus)]
    port = _free_port(plan, replica)
    if len(spare) < len(replica.gpus) or port is None:
        return None
    own = {"name": f"{replica.name}{BESIDE}", "gpus": tuple(spare), "port": port}
    return replica.model_copy(update=own)


def stand_ins(plan: FleetPlan, server: str) -> Iterator[Replica]:
    """All that may be on a server for a while."""
    for replica in plan.on(server):
        if found := stand_in(plan, replica):
            yield found


def _spare_gpus(plan: FleetPlan, replica: Replica) -> Iterator[int]:
    taken = {gpu for one in plan.on(replica.server.name) for gpu in one.gpus}
    for kind in plan.servers[replica.server.name].kinds:
        if {*replica.gpus} <= {*kind.gpus.nvml_indexes}:
            yield from (index for index in kind.gpus.nvml_indexes if index not in taken)


def _free_port(plan: FleetPlan, replica: Replica) -> int | None:
    """Above all that are planned on the server; each of its replicas has another one."""
    planned = plan.on(replica.server.name)
    ahead = [one.name for one in planned].index(replica.name)
    port = max(one.port for one in planned) + 1 + ahead
    return port if port <= LAST_PORT else None
