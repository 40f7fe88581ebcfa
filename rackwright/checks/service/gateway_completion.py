"""Completions through the gateway work, and every planned replica gives one of them."""

from __future__ import annotations

from collections import Counter

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedService
from rackwright.checks.replica.answered import words_of
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.asked import LOOK, asked, remedy, without_key
from rackwright.checks.service.healthy import SERVICE, by


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL when a completion fails; WARN when a planned replica answered none of them."""
    replies = asked(planned, seen).get("completions") or []
    answered: Counter[str] = Counter()
    for observed in replies:
        reply, status, why = answer_of(observed)
        if unproven := without_key(planned, observed):
            return unproven
        if reply is None:
            return Finding(status, why, remedy(observed))
        try:
            words_of(planned, reply.get("body"))
        except ValueError as wrong:
            return Finding(Status.CRITICAL, str(wrong), LOOK)
        answered[str(reply.get("replica"))] += 1
    if not replies:
        return Finding(Status.UNKNOWN, "was not observed", LOOK)
    by = ", ".join(f"{name}: {count}" for name, count in sorted(answered.items()))
    if silent := [name for name in planned.replicas if name not in answered]:
        evidence = f"{', '.join(silent)} answered none of {len(replies)} ({by})"
        return Finding(Status.WARN, evidence, LOOK)
    return Finding(Status.OK, f"{len(replies)} answered ({by})")


CHECK = Check(
    name="gateway completion",
    fine="every completion (or vector, transcript) over TLS works, and every replica gave one",
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example(
            "a completion over TLS that fails",
            Status.CRITICAL,
            {"services.chat.completions.1": {"status": 502, "body": "no"}},
        ),
        Example(
            "a gateway that lets nobody in without a key",
            Status.CRITICAL,
            {"services.chat.completions.0": {"status": 401, "body": "no key"}},
        ),
        Example(
            "a replica that gets no requests",
            Status.WARN,
            {"services.chat.completions": [by("chat-gpu1-0")] * 4},
        ),
    ),
)
