"""The host's clock agrees with that of the machine that asks."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedHost, Status, number_of

APART_S = 2.0
"""From here on the logs of a fleet cannot be read side by side."""
WRONG_S = 60.0
"""From here on certificates and signed packages may be refused as of the future or the past."""
_REMEDY = "have time synchronised on both: `timedatectl`, chrony or systemd-timesyncd"


def check(planned: PlannedHost, seen: Observation) -> CheckResult:
    """WARN for clocks that are certainly apart, CRITICAL for a minute of it.

    The answer was written between the time at which it can have been at the earliest (asked, and
    as long as the host itself says it took) and its arrival: what lies in between is no skew.
    """
    asked = seen.get("asked")
    sent, received = number_of(asked, "sent_unix_s"), number_of(asked, "received_unix_s")
    told, took = number_of(seen, "time_unix_s"), number_of(seen, "elapsed_s")
    if sent is None or received is None or told is None or took is None:
        return planned.says("clock", Status.UNKNOWN, "was not observed", "run this again")
    ahead_at_least, ahead_at_most = told - received, told - sent - took
    if ahead_at_least > ahead_at_most:
        evidence = "a clock was set while it was read"
        return planned.says("clock", Status.UNKNOWN, evidence, "run this again")
    apart = max(ahead_at_least, -ahead_at_most, 0.0)
    way = "ahead" if ahead_at_least > 0 else "behind"
    if apart < APART_S:
        unsure = max(abs(ahead_at_least), abs(ahead_at_most))
        return planned.says("clock", Status.OK, f"agrees, to {unsure:.1f} s")
    evidence = f"at least {apart:.1f} s {way} of the machine that asks"
    status = Status.CRITICAL if apart >= WRONG_S else Status.WARN
    return planned.says("clock", status, evidence, _REMEDY)
