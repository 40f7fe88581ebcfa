"""Replicas as an operator names them: one by its name, or all of a server by the server's."""

from __future__ import annotations

from rackwright.errors import RefusedError, nearest
from rackwright.plan import FleetPlan, Replica


def named_replicas(plan: FleetPlan, name: str) -> tuple[str, ...]:
    """The names of replicas, in the plan's order. Raises RefusedError with the nearest name.

    Of a server they are all that have a process there, also those that span others.
    """
    if ranks_of(plan, name):
        return (name,)
    if name not in plan.servers:
        known = {*plan.servers, *(replica.name for replica in plan.replicas)}
        raise RefusedError(f"{name!r} {nearest(name, known, 'server or replica')}")
    if not plan.on(name):
        raise RefusedError(f"server {name!r} has no replica by the plan")
    return tuple(dict.fromkeys(replica.name for replica in plan.on(name)))


def ranks_of(plan: FleetPlan, name: str) -> tuple[Replica, ...]:
    """The processes of a replica, the one that answers first; none where it is not planned."""
    ranks = (replica for replica in plan.replicas if replica.name == name)
    return tuple(sorted(ranks, key=lambda replica: not replica.answers))
