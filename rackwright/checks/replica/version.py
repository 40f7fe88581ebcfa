"""The engine that answers is of the pinned version: not one that was live before."""

from __future__ import annotations

from collections.abc import Mapping

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.replica.when import ANSWERS
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL for another version. A build's ``+local`` part counts only where it is pinned."""
    if planned.version is None:
        return Finding(Status.OK, "the engine does not tell")
    reply, _, why = answer_of(seen.get("version"))
    if reply is None:
        return Finding(Status.UNKNOWN, why, "see the health check")
    body = reply.get("body")
    told = body.get("version") if isinstance(body, Mapping) else None
    if not isinstance(told, str) or not told:
        evidence = "the answer names no version"
        return Finding(Status.UNKNOWN, evidence, "see the identity check")
    if planned.version not in (told, told.partition("+")[0]):
        evidence = f"{told} answers, {planned.version} is pinned"
        remedy = f"restart {planned.unit}: it still runs from the release before"
        return Finding(Status.CRITICAL, evidence, remedy)
    return Finding(Status.OK, told)


CHECK = Check(
    name="version",
    fine=(
        "the engine that answers is of the pinned version; a build's own `+local` part does not "
        "count"
    ),
    judge=judge,
    healthy=REPLICA,
    applies=ANSWERS,
    examples=(
        Example(
            "an engine of another version", Status.CRITICAL, {"version.body.version": "0.31.0"}
        ),
        Example("an engine that does not tell its version", Status.UNKNOWN, {"version.body": {}}),
    ),
)
