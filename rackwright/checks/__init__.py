"""Checks: what was planned beside what was observed, judged. No I/O, and no guess.

A new check is one module with a function ``(Planned, observation) -> CheckResult`` and one line in
``REPLICA_CHECKS`` or ``GATEWAY_CHECKS``. What is missing or garbled is UNKNOWN, never OK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rackwright.checks import completion, endpoint, health, listener, nginx, served_model, unit
from rackwright.checks.results import (
    CheckResult,
    Observation,
    PlannedReplica,
    PlannedService,
    Status,
)

P = TypeVar("P", PlannedReplica, PlannedService)
ReplicaCheck = Callable[[PlannedReplica, Observation], CheckResult]
GatewayCheck = Callable[[PlannedService, Observation], CheckResult]

REPLICA_CHECKS: tuple[ReplicaCheck, ...] = (
    unit.check,
    listener.check,
    health.check,
    served_model.check,
    completion.check,
)
SILENT_CHECKS: tuple[ReplicaCheck, ...] = (unit.check,)
"""For the later servers of a replica that spans several: the first answers for all of them."""
GATEWAY_CHECKS: tuple[GatewayCheck, ...] = (
    nginx.check,
    endpoint.check_closed_paths,
    endpoint.check_models,
    endpoint.check_completions,
)

__all__ = ["GATEWAY_CHECKS", "REPLICA_CHECKS", "SILENT_CHECKS", "CheckResult", "Status", "judge"]


def judge(
    planned: Sequence[PlannedReplica | PlannedService], observed: Mapping[str, Observation]
) -> list[CheckResult]:
    """Run every check on every planned replica and service.

    ``observed`` maps a host to what ``runner/remote/serving.py`` answered there. A host that gave
    no answer is one CRITICAL row for each thing planned on it.
    """
    results: list[CheckResult] = []
    for one in planned:
        seen = observed.get(one.host)
        if not seen or "error" in seen:
            results.append(_unreached(one, seen))
        elif isinstance(one, PlannedReplica):
            replica = _mapping(_mapping(seen.get("replicas")).get(one.name))
            checks = REPLICA_CHECKS if one.answers else SILENT_CHECKS
            results += [_ask(check, one, replica) for check in checks]
        else:
            gateway = _mapping(seen.get("gateway"))
            results += [_ask(check, one, gateway) for check in GATEWAY_CHECKS]
    return results


def _mapping(value: Any) -> Observation:
    return value if isinstance(value, Mapping) else {}


def _ask(check: Callable[[P, Observation], CheckResult], one: P, seen: Observation) -> CheckResult:
    """The check's answer; UNKNOWN where the observation is not of the shape it reads."""
    try:
        return check(one, seen)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        name = check.__module__.rpartition(".")[2].replace("_", " ")
        evidence = f"the observation is garbled: {type(error).__name__}: {error}"
        return one.says(name, Status.UNKNOWN, evidence, "run the deploy again")


def _unreached(one: PlannedReplica | PlannedService, seen: Observation | None) -> CheckResult:
    why = seen["error"] if seen else "the host failed earlier in this run, or could not be reached"
    return CheckResult(
        check="reached",
        host=one.host,
        subject=one.name,
        status=Status.CRITICAL,
        evidence=str(why),
        remedy=f"see the errors of {one.host} above, mend them and run the deploy again",
    )
