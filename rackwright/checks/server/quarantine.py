"""The server is in no quarantine: nothing took it out of traffic until it is proven again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, number_of, part_of
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER

REMEDY = "mend it, then `rackwright return INVENTORY {host}`, which proves it and ends this"


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL while it is in quarantine, whatever that says."""
    told = part_of(seen, "quarantine")
    if told.get("there") is False:
        return Finding(Status.OK, "none")
    if told.get("there") is not True:
        return Finding(Status.UNKNOWN, "was not observed", "run this again")
    return Finding(Status.CRITICAL, quarantine_words(told), REMEDY.format(host=planned.host))


def quarantine_words(told: Observation) -> str:
    """Since when, by whom and why; what was found, and why it did not return last."""
    moment, by = _moment(number_of(told, "since")), told.get("by")
    words = f"since {moment}{f', {by}' if by else ''}: {told.get('why') or 'it does not say why'}"
    if evidence := told.get("evidence"):
        words += f"; evidence: {evidence}"
    returns = told.get("returns")
    if isinstance(returns, list) and returns:
        last = part_of(returns[-1])
        words += f"; did not return {_moment(number_of(last, 'at'))}: {last.get('words')}"
    return words


def _moment(unix_s: float | None) -> str:
    try:
        moment = datetime.fromtimestamp(unix_s or 0, UTC)
    except (OverflowError, OSError, ValueError):
        return "an impossible time"
    return f"{moment:%Y-%m-%d %H:%M} UTC" if unix_s else "nobody knows when"


BY_THE_WATCHDOG: dict[str, Any] = {
    "there": True,
    "why": "GPU 0: Xid 79 (fell off the bus)",
    "since": 1795700000.0,
    "by": "watchdog",
    "gpus": ["GPU-0"],
    "evidence": "/var/lib/rackwright/watchdog/evidence/gpu1-1795700000",
}
CHECK = Check(
    name="quarantine",
    fine="none: neither the watchdog nor an operator took the server out until it is proven",
    judge=judge,
    healthy=SERVER.having(quarantine={"there": False}),
    examples=(
        Example("a server in quarantine", Status.CRITICAL, {"quarantine": BY_THE_WATCHDOG}),
        Example(
            "a quarantine that cannot be asked for", Status.UNKNOWN, {"quarantine": {"error": "?"}}
        ),
    ),
)
