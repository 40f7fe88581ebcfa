"""The engine that answers is of the pinned version: not one that was live before."""

from __future__ import annotations

from collections.abc import Mapping

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status, answer_of


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL for another version. A build's ``+local`` part counts only where it is pinned."""
    if planned.version is None:
        return planned.says("version", Status.OK, "the engine does not tell")
    reply, _, why = answer_of(seen.get("version"))
    if reply is None:
        return planned.says("version", Status.UNKNOWN, why, "see the health check")
    body = reply.get("body")
    told = body.get("version") if isinstance(body, Mapping) else None
    if not isinstance(told, str) or not told:
        evidence = "the answer names no version"
        return planned.says("version", Status.UNKNOWN, evidence, "see the identity check")
    if planned.version not in (told, told.partition("+")[0]):
        evidence = f"{told} answers, {planned.version} is pinned"
        remedy = f"restart {planned.unit}: it still runs from the release before"
        return planned.says("version", Status.CRITICAL, evidence, remedy)
    return planned.says("version", Status.OK, told)
