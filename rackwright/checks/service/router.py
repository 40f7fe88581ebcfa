"""The router that chooses among a service's replicas runs, and sees them all well."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.checks.check import Check, Example, When
from rackwright.checks.observed import Observation, answer_of, part_of
from rackwright.checks.planned import PlannedRouter, PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.healthy import SERVICE
from rackwright.routers import ROUTERS

_DEPLOY = "run the deploy's gateway stage: `--data stages=gateway`"


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL unless active with a replica that is well; WARN when it misses any."""
    assert planned.router
    observed = part_of(seen, "routers", planned.name)
    state, look = part_of(observed, "unit").get("ActiveState"), _look(planned)
    if not state:
        return Finding(Status.UNKNOWN, "was not observed", "run the deploy again")
    if state != "active":
        return Finding(Status.CRITICAL, f"{planned.router.unit} is {state}", look)
    reply = observed.get("readiness")
    counted = ROUTERS[planned.router.kind].readiness(part_of({"": reply}, "").get("body"))
    if counted is None:
        _, status, why = answer_of(reply)
        words = why or "its answer is not of its kind"
        return Finding(status if why else Status.UNKNOWN, words, look)
    out = list(_out(part_of(seen, "live", "services", planned.name, "replicas")))
    return _taken_out(planned.router, out) or _counted(planned.router, *counted, look)


def _out(states: Observation) -> Iterator[str]:
    """Replicas behind it that the gateway tells it to leave out: why."""
    for name in states:
        one = part_of(states, name)
        if one.get("router") and one.get("state") != "in":
            yield f"{name} is {one.get('state')} ({one.get('why') or 'nobody says why'})"


def _taken_out(router: PlannedRouter, out: list[str]) -> Finding | None:
    if not out:
        return None
    remedy = "`rackwright gateway status`; what is ejected comes back once it completes a request"
    worst = Status.WARN if len(out) < router.replicas else Status.CRITICAL
    return Finding(worst, ", ".join(out), remedy)


def _counted(router: PlannedRouter, well: int, known: int, look: str) -> Finding:
    if known != router.replicas:
        evidence = f"it knows {known} replicas, {router.replicas} are planned"
        return Finding(Status.WARN, evidence, _DEPLOY)
    evidence = f"{well} of {known} replicas are well as {router.kind} sees them"
    if well < known:
        return Finding(Status.WARN if well else Status.CRITICAL, evidence, look)
    return Finding(Status.OK, evidence)


def _look(planned: PlannedService) -> str:
    return f"journalctl -u {planned.router.unit if planned.router else ''} on {planned.host}"


_COUNTS = "routers.chat.readiness.body"
CHECK = Check(
    name="router",
    fine="active, every planned replica is well as it sees them, none drained or ejected",
    judge=judge,
    healthy=SERVICE,
    applies=When[PlannedService]("with a router", lambda planned, seen: planned.router is not None),
    examples=(
        Example(
            "a router that is not active",
            Status.CRITICAL,
            {"routers.chat.unit": {"ActiveState": "failed"}},
        ),
        Example(
            "a router that does not answer",
            Status.CRITICAL,
            {"routers.chat.readiness": {"error": "ConnectionRefusedError"}},
        ),
        Example(
            "a router that knows of no replica that is well",
            Status.CRITICAL,
            {
                "routers.chat.readiness.status": 503,
                _COUNTS: {"status": "not_ready", "total_workers": 2},
            },
        ),
        Example(
            "a replica behind a router that is drained",
            Status.WARN,
            {
                "live.services.chat.replicas.chat-gpu3-0": {
                    "state": "drained",
                    "why": "a new disk",
                    "router": "router-chat",
                }
            },
        ),
        Example(
            "a replica that a router has given up",
            Status.WARN,
            {f"{_COUNTS}.healthy_workers": 1},
        ),
        Example(
            "a router of an older plan",
            Status.WARN,
            {f"{_COUNTS}.total_workers": 3},
        ),
    ),
)
