"""All ranks of a replica belong to one start of the first, and something keeps them together."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedRank
from rackwright.checks.rank.healthy import RANK
from rackwright.checks.results import Finding, Status
from rackwright.remote.gather import GATHERS, JOINED, told_of

_ALL = "`systemctl restart {unit}` on all of {servers}, should they not come together by themselves"


def judge(planned: PlannedRank, seen: Observation) -> Finding:
    """CRITICAL unless it runs with the rank 0 that others run with; WARN with no watchdogs."""
    remedy = _ALL.format(unit=planned.unit, servers=", ".join(planned.servers))
    if not planned.kept_together:
        evidence = 'watchdog = "off": where one rank dies, nobody starts the others anew with it'
        return Finding(Status.WARN, evidence, f'`watchdog = "on"`; else {remedy}')
    unit = part_of(seen, "rank", "unit")
    if not unit:
        return Finding(Status.UNKNOWN, "systemd did not answer", "run this again")
    told = told_of(unit, dict(part_of(seen, "rank", "noted")))
    if told.phase != JOINED:
        words = "it waits for the other ranks" if told.phase == GATHERS else told.why
        return Finding(Status.CRITICAL, words, f"journalctl -u {planned.unit} on {planned.host}")
    for host, other in (seen.get("others") or {}).items():
        epoch = part_of(other, "rank", "noted").get("epoch")
        if epoch is not None and epoch != told.epoch:
            evidence = f"its start of rank 0 is another than that of {host}"
            return Finding(Status.CRITICAL, evidence, remedy)
    words = f"rank {planned.rank} of {len(planned.servers)}, of start {told.epoch[:8]} of rank 0"
    return Finding(Status.OK, words)


CHECK = Check(
    name="ranks",
    fine="its ranks run with one start of the first, and watchdogs keep them together",
    judge=judge,
    healthy=RANK,
    examples=(
        Example(
            "a rank that waits for others",
            Status.CRITICAL,
            {"rank.noted.epoch": "", "rank.unit.SubState": "start-pre"},
        ),
        Example(
            "a rank whose peer runs with another start",
            Status.CRITICAL,
            {"others.gpu2.rank.noted.epoch": "0a0b"},
        ),
        Example("a rank that was started alone", Status.CRITICAL, {"rank.noted.start": "0a0b"}),
        Example("ranks that nobody keeps together", Status.WARN, planned={"kept_together": False}),
    ),
)
