"""Nginx's workers may hold as many connections as the planned replicas take."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.healthy import SERVICE

NGINX_DEFAULT = 512
"""Connections of a worker where no file says how many."""


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """WARN when a worker holds fewer: clients are refused then, though replicas have room.

    CRITICAL below half of them, which is what the requests take that run at once.
    """
    limits = (seen.get("configuration") or {}).get("limits")
    files = number_of(seen, "worker_open_files")
    if limits is None or files is None:
        evidence = "the limits of Nginx could not be told"
        return Finding(Status.UNKNOWN, evidence, "see the nginx check")
    connections = number_of(limits, "worker_connections") or NGINX_DEFAULT
    words = f"a worker holds {min(connections, files):,.0f} connections"
    if (holds := min(connections, files)) < planned.connections:
        evidence = (
            f"{words} (worker_connections {connections:.0f}, open files {files:.0f}), "
            f"{planned.connections:,} are planned"
        )
        worst = Status.CRITICAL if 2 * holds < planned.connections else Status.WARN
        return Finding(worst, evidence, "run the deploy's gateway stage")
    return Finding(Status.OK, f"{words}, {planned.connections:,} are planned")


CHECK = Check(
    name="connections",
    fine="a worker of Nginx may hold as many connections as the planned replicas take",
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example(
            "an Nginx with fewer connections than requests that run at once take",
            Status.CRITICAL,
            {"configuration.limits.worker_connections": 768},
        ),
        Example("workers that may open too few files", Status.WARN, {"worker_open_files": 4000}),
    ),
)
