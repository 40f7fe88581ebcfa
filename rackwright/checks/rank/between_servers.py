"""Measured TCP between the servers of a replica, beside what the plan believes.

Not one of the checks of every run: for seconds it takes all that the network has
(``rackwright bandwidth``).
"""

from __future__ import annotations

from rackwright.checks.check import Check, Example, Sample, When
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.rank.planned_path import PlannedPath
from rackwright.checks.results import Finding, Status

PROVES_GBIT_PER_S = 10.0
"""What TCP is asked for at most: 13 Gbit/s were measured with both ends in one process on two busy
cores. What is faster than that shows in the state of the ports, and in NCCL's own tests."""
FINE, POOR = 0.7, 0.4
"""Shares of that: below the first is WARN, below the second CRITICAL."""
_MEND = "see the checks `network` and `rdma`, MTU and switches between them, and what else sends"
_REACH = "let the servers of a replica reach each other on all ports"


def judge(planned: PlannedPath, seen: Observation) -> Finding:
    """``transfer`` is what ``remote/between_servers.py`` counted on the server that listened."""
    told = part_of(seen, "transfer")
    if "gbit_per_s" not in told:
        why = told.get("error", "no answer")
        return Finding(Status.UNKNOWN, f"not measured: {why}", _REACH)
    got = float(told["gbit_per_s"])
    share = got / min(planned.gbit_per_s, PROVES_GBIT_PER_S)
    status = Status.OK if share >= FINE else Status.WARN if share >= POOR else Status.CRITICAL
    words = f"from {planned.peer} {got:.1f} Gbit/s by TCP ({planned.gbit_per_s:g} planned)"
    words += "; the ranks talk over RDMA" if planned.over_rdma else ""
    return Finding(status, words, "" if status is Status.OK else _MEND)


CHECK = Check(
    name="between servers",
    fine="TCP reaches 0.7 of what the plan believes, at most of 10 Gbit/s: more it does not prove",
    judge=judge,
    healthy=Sample(
        PlannedPath(name="chat-gpu1-0", host="gpu1", peer="gpu2", gbit_per_s=10),
        {"transfer": {"gbit_per_s": 9.4, "seconds": 3.0, "streams": 4}},
    ),
    applies=When("by `rackwright bandwidth` alone", lambda planned, seen: True),
    examples=(
        Example("a network slower than its ports", Status.WARN, {"transfer.gbit_per_s": 5.0}),
        Example(
            "a network that carries next to nothing", Status.CRITICAL, {"transfer.gbit_per_s": 0.9}
        ),
        Example(
            "servers of a replica that do not reach each other",
            Status.UNKNOWN,
            {"transfer": {"error": "TimeoutError: timed out"}},
        ),
    ),
)
