"""The host's clock agrees with that of the machine that asks."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.host.healthy import HOST
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import PlannedHost
from rackwright.checks.results import Finding, Status

APART_S = 2.0
"""From here on the logs of a fleet cannot be read side by side."""
WRONG_S = 60.0
"""From here on certificates and signed packages may be refused as of the future or the past."""
_REMEDY = "have time synchronised on both: `timedatectl`, chrony or systemd-timesyncd"


def judge(planned: PlannedHost, seen: Observation) -> Finding:
    """WARN for clocks that are certainly apart, CRITICAL for a minute of it.

    The answer was written between the time at which it can have been at the earliest (asked, and
    as long as the host itself says it took) and its arrival: what lies in between is no skew.
    """
    asked = seen.get("asked")
    sent, received = number_of(asked, "sent_unix_s"), number_of(asked, "received_unix_s")
    told, took = number_of(seen, "time_unix_s"), number_of(seen, "elapsed_s")
    if sent is None or received is None or told is None or took is None:
        return Finding(Status.UNKNOWN, "was not observed", "run this again")
    ahead_at_least, ahead_at_most = told - received, told - sent - took
    if ahead_at_least > ahead_at_most:
        evidence = "a clock was set while it was read"
        return Finding(Status.UNKNOWN, evidence, "run this again")
    apart = max(ahead_at_least, -ahead_at_most, 0.0)
    way = "ahead" if ahead_at_least > 0 else "behind"
    if apart < APART_S:
        unsure = max(abs(ahead_at_least), abs(ahead_at_most))
        return Finding(Status.OK, f"agrees, to {unsure:.1f} s")
    evidence = f"at least {apart:.1f} s {way} of the machine that asks"
    status = Status.CRITICAL if apart >= WRONG_S else Status.WARN
    return Finding(status, evidence, _REMEDY)


CHECK = Check(
    name="clock",
    fine=(
        "its clock agrees with that of the machine that asks, within 2 s; the time the answer "
        "took is no skew"
    ),
    judge=judge,
    healthy=HOST,
    examples=(
        Example("a clock that is some seconds ahead", Status.WARN, {"time_unix_s": 113.0}),
        Example("a clock that is a minute or more behind", Status.CRITICAL, {"time_unix_s": 20.0}),
    ),
)
