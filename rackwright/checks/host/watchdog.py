"""The watchdog runs, answers, and has given up none of the replicas that it watches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.checks.check import Check, Example, When
from rackwright.checks.host.healthy import HOST
from rackwright.checks.observed import Observation, answer_of, part_of
from rackwright.checks.planned import PlannedHost
from rackwright.checks.results import Finding, Status

UNIT = "rackwright-watchdog"
_JOURNAL = f"see `journalctl -u {UNIT}` there"
_EVIDENCE = (
    "see its evidence in the folder `watchdog/evidence` of the state folder there and "
    "`rackwright why`; it is watched again once it completes a request"
)
_DRIVER = (
    "drain the server and reboot it: of its GPUs' faults only those in the kernel's log are seen"
)
AWAY = ("out", "restarting")


def judge(planned: PlannedHost, seen: Observation) -> Finding:
    """CRITICAL where nobody watches or a replica was given up.

    WARN where one is being mended, and where the GPUs' driver gives the watchdog no answer.
    """
    told = part_of(seen, "watchdog")
    if "unit" not in told:
        return Finding(Status.UNKNOWN, "was not observed", "run this again")
    if (active := part_of(told, "unit").get("ActiveState")) != "active":
        return Finding(Status.CRITICAL, f"its unit is {active or 'not there'}", _JOURNAL)
    reply, status, why = answer_of(told.get("state"))
    if reply is None:
        return Finding(status, f"it does not say how replicas are: {why}", _JOURNAL)
    replicas = part_of(reply, "body", "replicas")
    findings = list(_findings(planned.watched or (), replicas))
    if words := part_of(reply, "body").get("driver"):
        findings.append(Finding(Status.WARN, str(words), _DRIVER))
    if findings:
        return max(findings, key=lambda one: one.status)
    return Finding(Status.OK, f"watches {', '.join(planned.watched or ()) or 'the GPUs'}")


def _findings(watched: tuple[str, ...], replicas: Observation) -> Iterator[Finding]:
    for name in watched:
        one = part_of(replicas, name)
        state, why = one.get("state"), one.get("why")
        if state is None:
            yield Finding(Status.CRITICAL, f"it does not watch {name}", "run the deploy again")
        elif state == "given up":
            yield Finding(Status.CRITICAL, f"{name} is given up: {why}", _EVIDENCE)
        elif state in AWAY:
            yield Finding(Status.WARN, f"{name} is {state}: {why}", _EVIDENCE)


def _saying(state: str, why: str) -> dict[str, Any]:
    return {"watchdog.state.body.replicas.chat-gpu1-0": {"state": state, "why": why}}


CHECK = Check(
    name="watchdog",
    fine="it runs, says how each planned replica is, and has given up none",
    judge=judge,
    healthy=HOST.having(
        watchdog={
            "unit": {"ActiveState": "active"},
            "state": {
                "status": 200,
                "body": {"replicas": {"chat-gpu1-0": {"state": "well", "why": ""}}},
            },
        }
    ),
    applies=When("with a watchdog", lambda planned, seen: planned.watched is not None),
    examples=(
        Example(
            "a watchdog that does not run",
            Status.CRITICAL,
            {"watchdog.unit.ActiveState": "inactive"},
        ),
        Example(
            "a watchdog that gives no answer",
            Status.CRITICAL,
            {"watchdog.state": {"error": "TimeoutError: timed out"}},
        ),
        Example(
            "a replica that was given up",
            Status.CRITICAL,
            _saying("given up", "restarted 3 times in the last hour: no answer for 20 s"),
        ),
        Example(
            "a replica that nobody watches", Status.CRITICAL, {"watchdog.state.body.replicas": {}}
        ),
        Example(
            "a driver that does not answer the watchdog",
            Status.WARN,
            {
                "watchdog.state.body.driver": "the GPUs' driver hangs: "
                "process 4242 hangs and cannot be ended for 65 s"
            },
        ),
        Example(
            "a replica that hung and is restarted",
            Status.WARN,
            _saying("restarting", "no answer for 20 s"),
        ),
    ),
)
