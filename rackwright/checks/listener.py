"""Whoever answers on the replica's port is the unit's own process, not a stale server."""

from __future__ import annotations

from collections.abc import Sequence

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status

SLACK_S = 1.0
"""Clock ticks and systemd's microseconds are rounded differently."""
STOPPED = ("inactive", "failed")
"""A unit in one of these has no control group: whoever listens is somebody else."""


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL when nobody listens, or somebody outside the unit's control group does."""
    listeners, unit = seen.get("listeners"), seen.get("unit") or {}
    if listeners is None or not (unit.get("ControlGroup") or unit.get("ActiveState") in STOPPED):
        evidence = "the unit has no control group to compare with"
        return planned.says("identity", Status.UNKNOWN, evidence, "see the unit check")
    if not listeners:
        evidence = f"nobody listens on port {planned.port}"
        return planned.says("identity", Status.CRITICAL, evidence, "see the unit check")
    group = unit.get("ControlGroup")
    own = [one for one in listeners if group and _is_in(group, one["cgroups"])]
    if rival := _rival(own, listeners):
        evidence = f"port {planned.port} is held by {_who(rival)}, which is not of {planned.unit}"
        return planned.says("identity", Status.CRITICAL, evidence, "end that process, deploy again")
    started_s = int(unit.get("ExecMainStartTimestampMonotonic") or 0) / 1e6
    if old := next((one for one in own if one["started_s"] + SLACK_S < started_s), None):
        evidence = f"{_who(old)} is older than the unit's start"
        return planned.says("identity", Status.CRITICAL, evidence, f"restart {planned.unit}")
    return planned.says("identity", Status.OK, f"port {planned.port} is pid {own[0]['pid']}'s")


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
