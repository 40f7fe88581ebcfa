"""A path of the engine that is not OpenAI's does not get through the gateway."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.asked import LOOK
from rackwright.checks.service.healthy import SERVICE


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL when a path of the engine that is not OpenAI's gets through (/metrics here)."""
    reply = seen.get("closed_path") or {}
    if not isinstance(reply.get("status"), int):
        evidence = str(reply.get("error", "was not observed"))
        return Finding(Status.UNKNOWN, evidence, LOOK)
    if reply["status"] != 404:
        evidence = f"GET /metrics answers {reply['status']} through the gateway"
        return Finding(Status.CRITICAL, evidence, "run the gateway stage")
    return Finding(Status.OK, "GET /metrics is refused with 404")


CHECK = Check(
    name="closed paths",
    fine="`/metrics` is refused",
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example(
            "a path that gets through to the engine", Status.CRITICAL, {"closed_path.status": 200}
        ),
    ),
)
