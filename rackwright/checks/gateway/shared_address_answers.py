"""A gateway answers at each shared address, asked from each of the gateways."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.gateway.healthy import ANSWERS, GATEWAY, SHARED, WHERE_SHARED
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedGateway
from rackwright.checks.results import Finding, Status


def judge(planned: PlannedGateway, seen: Observation) -> Finding:
    """CRITICAL where nothing of ours answers; what it answers is the services' to judge."""
    answers = seen.get("answers") or {}
    remedy = f"see the checks keepalived and shared address; curl it from {planned.host}"
    for address in planned.addresses:
        reply = answers.get(address)
        if not reply:
            return Finding(Status.UNKNOWN, f"{address} was not asked", "run this again")
        if "error" in reply:
            return Finding(Status.CRITICAL, f"{address}: {reply['error']}", remedy)
        if not reply.get("replica"):
            evidence = f"{address}: HTTP {reply['status']} of something that is no gateway of ours"
            return Finding(Status.CRITICAL, evidence, remedy)
    return Finding(Status.OK, f"{' and '.join(planned.addresses)} answer from here")


CHECK = Check(
    name="shared address answers",
    fine="a gateway answers there over TLS, asked from this one",
    judge=judge,
    healthy=GATEWAY,
    applies=WHERE_SHARED,
    examples=(
        Example(
            "a shared address at which nobody answers",
            Status.CRITICAL,
            {"answers": {**ANSWERS, SHARED[0]: {"error": "OSError: no route to host"}}},
        ),
        Example(
            "another machine with the shared address",
            Status.CRITICAL,
            {"answers": {**ANSWERS, SHARED[0]: {"status": 200, "body": "", "replica": None}}},
        ),
    ),
)
