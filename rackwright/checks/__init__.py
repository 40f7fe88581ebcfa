"""Checks: what was planned beside what was observed, judged. No I/O, and no guess.

A new check is one module with a function ``(Planned, observation) -> CheckResult`` and one line in
``REPLICA_CHECKS``, ``BURST_CHECKS`` or ``GATEWAY_CHECKS``; those of hardware are in ``server/``,
those of any host in ``system/``. What is missing or garbled is UNKNOWN, never OK.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rackwright.checks import (
    balance,
    completion,
    delivery,
    endpoint,
    health,
    kv_cache,
    listener,
    loaded,
    nginx,
    open_files,
    served_model,
    throughput,
    unit,
    upstreams,
    version,
)
from rackwright.checks.results import (
    CheckResult,
    Observation,
    PlannedHost,
    PlannedReplica,
    PlannedServer,
    PlannedService,
    Status,
)
from rackwright.checks.server import SERVER_CHECKS, Probed, driver, gpus
from rackwright.checks.system import HOST_CHECKS

P = TypeVar("P", PlannedHost, PlannedReplica, PlannedServer, PlannedService)
S = TypeVar("S", Observation, Probed)
_ABOVE = "see what the run said of this host"
Planned = PlannedHost | PlannedReplica | PlannedServer | PlannedService
ReplicaCheck = Callable[[PlannedReplica, Observation], CheckResult]
GatewayCheck = Callable[[PlannedService, Observation], CheckResult]

REPLICA_CHECKS: tuple[ReplicaCheck, ...] = (
    unit.check,
    listener.check,
    health.check,
    served_model.check,
    version.check,
    completion.check,
    delivery.check,
    kv_cache.check,
    open_files.check,
)
ASKED_CHECKS: tuple[ReplicaCheck, ...] = (loaded.check,)
"""For engines that say what they hold."""
BURST_CHECKS: tuple[ReplicaCheck, ...] = (balance.check, throughput.check)
"""Asked of a replica on GPUs where a burst of requests was sent to load them."""
SILENT_CHECKS: tuple[ReplicaCheck, ...] = (unit.check, open_files.check)
"""For the later servers of a replica that spans several: the first answers for all of them."""
GATEWAY_CHECKS: tuple[GatewayCheck, ...] = (
    nginx.check,
    upstreams.check,
    endpoint.check_closed_paths,
    endpoint.check_models,
    endpoint.check_completions,
)

__all__ = [
    "ASKED_CHECKS",
    "BURST_CHECKS",
    "GATEWAY_CHECKS",
    "HOST_CHECKS",
    "REPLICA_CHECKS",
    "SERVER_CHECKS",
    "SILENT_CHECKS",
    "CheckResult",
    "Status",
    "judge",
]


def judge(planned: Sequence[Planned], observed: Mapping[str, Observation]) -> list[CheckResult]:
    """Run every check on every planned host, server, replica and service.

    ``observed`` maps a host to what ``remote/serving.py`` answered there, with what
    ``probe.py`` saw of a GPU server under ``probe``. A host that gave no answer (``error``), or
    that a stage before failed on (``failed``: stage, what, remedy), is one CRITICAL row.
    """
    results: list[CheckResult] = []
    unreached: dict[str, CheckResult] = {}
    for one in planned:
        seen = observed.get(one.host)
        if not seen or "error" in seen or "failed" in seen:
            unreached.setdefault(one.host, _unreached(one.host, seen))
        elif isinstance(one, PlannedHost):
            results += [_ask(check, one, seen) for check in HOST_CHECKS]
        elif isinstance(one, PlannedServer):
            results += _server(one, _mapping(seen.get("probe")))
        elif isinstance(one, PlannedReplica):
            replica = _mapping(_mapping(seen.get("replicas")).get(one.name))
            results += [_ask(check, one, replica) for check in _checks_of(one)]
        else:
            gateway = _mapping(seen.get("gateway"))
            results += [_ask(check, one, gateway) for check in GATEWAY_CHECKS]
    return [*unreached.values(), *results]


def _checks_of(one: PlannedReplica) -> tuple[ReplicaCheck, ...]:
    if not one.answers:
        return SILENT_CHECKS
    asked = ASKED_CHECKS if one.asked else ()
    return (*REPLICA_CHECKS, *asked, *(BURST_CHECKS if one.burst else ()))


def _server(one: PlannedServer, seen: Observation) -> list[CheckResult]:
    """A driver that does not answer, or shows no GPU, is said once, not once a check."""
    asked = (driver.check, *SERVER_CHECKS)
    if not seen.get("nvml"):
        asked = (driver.check,)
    elif not any(seen.get("gpus") or ()):
        asked = (driver.check, gpus.check)
    return [_ask(check, one, Probed(seen)) for check in asked]


def _mapping(value: Any) -> Observation:
    return value if isinstance(value, Mapping) else {}


def _ask(check: Callable[[P, S], CheckResult], one: P, seen: S) -> CheckResult:
    """The check's answer; UNKNOWN where the observation is not of the shape it reads."""
    try:
        return check(one, seen)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        name = check.__module__.rpartition(".")[2].replace("_", " ")
        evidence = f"the observation is garbled: {type(error).__name__}: {error}"
        return one.says(name, Status.UNKNOWN, evidence, "run the deploy again")


def _unreached(host: str, seen: Observation | None) -> CheckResult:
    """One row for a host that was not asked: a stage before failed, or it was not reached."""
    if seen and "failed" in seen:
        failed = _mapping(seen["failed"])
        evidence = f"{failed.get('stage')}: {failed.get('what')}"
        remedy = f"{failed.get('remedy') or _ABOVE}; then run this again"
        return CheckResult("deployed", host, host, Status.CRITICAL, evidence, remedy)
    why = seen["error"] if seen else "the host failed earlier in this run, or could not be reached"
    remedy = f"`ssh {host}` must work and the host must answer; then run this again"
    return CheckResult("reached", host, host, Status.CRITICAL, str(why), remedy)
