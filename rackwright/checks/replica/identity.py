"""Whoever answers on the replica's port is the unit's own process, not a stale server."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import OWN, REPLICA, STALE
from rackwright.checks.replica.when import ANSWERS
from rackwright.checks.results import Finding, Status

SLACK_S = 1.0
"""Clock ticks and systemd's microseconds are rounded differently."""
STOPPED = ("inactive", "failed")
"""A unit in one of these has no control group: whoever listens is somebody else."""


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL when nobody listens, or somebody outside the unit's control group does."""
    listeners, unit = seen.get("listeners"), seen.get("unit") or {}
    if listeners is None or not (unit.get("ControlGroup") or unit.get("ActiveState") in STOPPED):
        evidence = "the unit has no control group to compare with"
        return Finding(Status.UNKNOWN, evidence, "see the unit check")
    if not listeners:
        evidence = f"nobody listens on port {planned.port}"
        return Finding(Status.CRITICAL, evidence, "see the unit check")
    group = unit.get("ControlGroup")
    own = [one for one in listeners if group and _is_in(group, one["cgroups"])]
    if rival := _rival(own, listeners):
        evidence = f"port {planned.port} is held by {_who(rival)}, which is not of {planned.unit}"
        return Finding(Status.CRITICAL, evidence, "end that process, deploy again")
    started_s = int(unit.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    if old := next((one for one in own if one["started_s"] + SLACK_S < started_s), None):
        evidence = f"{_who(old)} is older than the unit's start"
        return Finding(Status.CRITICAL, evidence, f"restart {planned.unit}")
    return Finding(Status.OK, f"port {planned.port} is pid {own[0]['pid']}'s")


def _rival(own: Sequence[Observation], listeners: Sequence[Observation]) -> Observation | None:
    """Somebody else where the unit listens: the kernel shares requests out between the two.

    Another local address of the same port is no rival, unless the unit itself listens nowhere.
    """
    addresses = {address for one in own for address in one["addresses"]}
    others = [one for one in listeners if one not in own]
    return next((one for one in others if not own or addresses & set(one["addresses"])), None)


def _who(listener: Observation) -> str:
    return f"pid {listener['pid']} ({listener['command'][:60]})"


def _is_in(group: str, groups: Sequence[str]) -> bool:
    return any(one == group or one.startswith(f"{group}/") for one in groups)


CHECK = Check(
    name="identity",
    fine=(
        "the socket on its port belongs to processes of the unit's control group alone, started "
        "no earlier than the unit"
    ),
    judge=judge,
    healthy=REPLICA,
    applies=ANSWERS,
    examples=(
        Example("a stale server on the port", Status.CRITICAL, {"listeners": [STALE]}),
        Example(
            "another server beside the replica's own on the port",
            Status.CRITICAL,
            {"listeners": [OWN, STALE]},
        ),
        Example("nobody on the port", Status.CRITICAL, {"listeners": []}),
    ),
)
