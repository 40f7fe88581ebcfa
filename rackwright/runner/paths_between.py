"""What each server of a replica over several is asked, to measure the ways between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackwright.checks.rank.planned_path import PlannedPath
from rackwright.plan import Replica
from rackwright.runner.fleet import FleetRun

FIRST_PORT = 29600
"""Of who listens: no engine's, and below those that systems give to connections."""
SECONDS, WAIT_S = 3.0, 30.0
"""Of a transfer; and for the other host, which was asked at the same time."""


def paths_of(fleet: FleetRun) -> list[tuple[PlannedPath, Replica]]:
    """From each later rank to the first of its replica, with the later one."""
    hosts = {one.name: one.server.name for one in fleet.plan.replicas if one.span and one.answers}
    return [
        (
            PlannedPath(
                name=replica.name,
                host=hosts[replica.name],
                peer=replica.server.name,
                gbit_per_s=replica.server.network_gbit_per_s,
                over_rdma=bool(replica.rdma_devices),
            ),
            replica,
        )
        for replica in fleet.plan.replicas
        if replica.span and not replica.answers
    ]


def transfers_of(paths: Sequence[tuple[PlannedPath, Replica]], server: str) -> list[dict[str, Any]]:
    """A server's part in them, in an order that all keep: nobody waits longer than for those."""
    wait_s = WAIT_S + len(paths) * 2 * SECONDS
    return [
        {
            "peer": path.peer if path.host == server else path.host,
            "listens": path.host == server,
            "address": replica.span.addresses[0],
            "port": FIRST_PORT + number,
            "wait_s": wait_s,
            "seconds": SECONDS,
        }
        for number, (path, replica) in enumerate(paths)
        if server in (path.host, path.peer) and replica.span
    ]
