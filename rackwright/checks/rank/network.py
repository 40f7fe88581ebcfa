"""The interface that joins a rank's server to the others: up, as fast as planned, of one MTU."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedRank
from rackwright.checks.rank.healthy import OVER_RDMA, RANK, too_slow
from rackwright.checks.results import Finding, Status

_DECLARE = "`network_interface` in the inventory"
_UP = ("up", "unknown")
"""What has no carrier to tell of (a tunnel) is of unknown state while it works (RFC 2863)."""


def judge(planned: PlannedRank, seen: Observation) -> Finding:
    """CRITICAL where it is down, has another MTU than a peer's, or is half as fast as planned."""
    told = part_of(seen, "network", "interface")
    if not told:
        return Finding(Status.UNKNOWN, "was not observed", "run this again")
    if "error" in told:
        return Finding(Status.CRITICAL, str(told["error"]), f"correct {_DECLARE}")
    name, mtu = told["name"], told["mtu"]
    if told["state"] not in _UP:
        look = f"ip link show {name} on {planned.host}"
        return Finding(Status.CRITICAL, f"{name} is {told['state']}", look)
    if mtu is None:
        return Finding(Status.UNKNOWN, f"{name} does not tell its MTU", "run this again")
    for host, other in (seen.get("others") or {}).items():
        theirs = part_of(other, "network", "interface").get("mtu")
        if theirs is not None and theirs != mtu:
            evidence = f"MTU {mtu} on {name}, {theirs} on {host}: large packets are lost between"
            return Finding(Status.CRITICAL, evidence, "give both, and the switches, one MTU")
    return _speed(planned, seen, told)


def _speed(planned: PlannedRank, seen: Observation, told: Observation) -> Finding:
    words, mbit_per_s = f"{told['name']}, MTU {told['mtu']}", told["mbit_per_s"]
    if OVER_RDMA.holds(planned, seen):
        return Finding(Status.OK, f"{words}; what is much goes over InfiniBand or RoCE")
    if mbit_per_s is None:
        evidence = f"{words}; it is virtual and tells no speed, `rackwright bandwidth` measures it"
        return Finding(Status.OK, evidence)
    gbit_per_s = mbit_per_s / 1000
    evidence = f"{words}, {gbit_per_s:g} Gbit/s"
    if gbit_per_s >= planned.gbit_per_s:
        return Finding(Status.OK, evidence)
    status = Status.CRITICAL if too_slow(planned, gbit_per_s) else Status.WARN
    remedy = "see cable, port and `ethtool`, or correct `network_gbit_per_s` in the inventory"
    return Finding(status, f"{evidence}: {planned.gbit_per_s:g} are planned with", remedy)


CHECK = Check(
    name="network",
    fine="up, of one MTU with the other ranks' servers, as fast as the plan believes",
    judge=judge,
    healthy=RANK,
    examples=(
        Example(
            "an interface that is not there",
            Status.CRITICAL,
            {"network.interface": {"error": "there is no interface bond0"}},
        ),
        Example("an interface that is down", Status.CRITICAL, {"network.interface.state": "down"}),
        Example(
            "servers of one replica with two MTUs",
            Status.CRITICAL,
            {"others.gpu2.network.interface.mtu": 1500},
        ),
        Example(
            "a network that came up at a fraction of its speed",
            Status.CRITICAL,
            {"network.interface.mbit_per_s": 10_000},
            planned={"rdma_devices": ()},
        ),
        Example(
            "a network slower than the plan believes",
            Status.WARN,
            {"network.interface.mbit_per_s": 80_000},
            planned={"rdma_devices": ()},
        ),
    ),
)
