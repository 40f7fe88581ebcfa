"""InfiniBand or RoCE between the servers of a replica: ports active, rates, GIDs, one kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, part_of
from rackwright.checks.planned import PlannedRank
from rackwright.checks.rank.healthy import OVER_RDMA, PORT, RANK, ports_of, too_slow
from rackwright.checks.results import Finding, Status

_ROCE = "RoCE v2"
_SUBNET = "a port that stays INIT has no subnet manager: start opensm, or that of the switch"
_LINK = "see cable and switch, `ibstat` and `rdma link`"


def judge(planned: PlannedRank, seen: Observation) -> Finding:
    """CRITICAL where a port that is used does not work; WARN where it is slower than planned."""
    if not isinstance(part_of(seen, "network").get("rdma"), list):
        return Finding(Status.UNKNOWN, "was not observed", "run this again")
    used = _used(planned, ports_of(seen))
    findings = [*_absent(planned, used), *(f for port in used for f in _of(port))]
    findings += _unlike(seen, used)
    if not findings and not used:
        evidence = "no port is active: NCCL takes TCP"
        findings = [Finding(Status.WARN, evidence, f"{_LINK}; or declare `rdma_devices`: none")]
    return max(findings or [_speed(planned, used)], key=lambda one: one.status)


def _name(port: Observation) -> str:
    return f"{port['device']}:{port['port']}"


def _used(planned: PlannedRank, ports: Sequence[Observation]) -> list[Observation]:
    """Those that are declared; else those that NCCL would take."""
    if planned.rdma_devices is None:
        return [port for port in ports if port.get("state") == "ACTIVE"]
    return [p for p in ports if {p["device"], _name(p)} & set(planned.rdma_devices)]


def _absent(planned: PlannedRank, used: Sequence[Observation]) -> Iterator[Finding]:
    there = {name for port in used for name in (port["device"], _name(port))}
    for device in planned.rdma_devices or ():
        if device not in there:
            remedy = "correct `rdma_devices` in the inventory, or load its driver"
            yield Finding(Status.CRITICAL, f"there is no {device}", remedy)


def _of(port: Observation) -> Iterator[Finding]:
    if port["state"] is None or port["link_layer"] is None:
        yield Finding(Status.UNKNOWN, f"{_name(port)} does not tell its state", "run this again")
    elif port["state"] != "ACTIVE":
        evidence = f"{_name(port)} is {port['state']} ({port['physical']})"
        yield Finding(Status.CRITICAL, evidence, _SUBNET if port["state"] == "INIT" else _LINK)
    elif port["link_layer"] == "Ethernet" and _ROCE not in {g["type"] for g in port["gids"]}:
        evidence = f"{_name(port)} has no GID of {_ROCE}: NCCL finds no peer over it"
        yield Finding(Status.CRITICAL, evidence, "give its network interface an IP address")
    elif not port["gids"]:
        yield Finding(Status.CRITICAL, f"{_name(port)} has no GID", _SUBNET)


def _unlike(seen: Observation, used: Sequence[Observation]) -> Iterator[Finding]:
    """What is InfiniBand here cannot talk to what is Ethernet there."""
    own = {port["link_layer"] for port in used}
    for host, other in (seen.get("others") or {}).items():
        theirs = {p["link_layer"] for p in ports_of(other) if p.get("state") == "ACTIVE"}
        if own and theirs and not own & theirs:
            words = f"{', '.join(sorted(own))} here, {', '.join(sorted(theirs))} on {host}"
            yield Finding(Status.CRITICAL, words, "declare `rdma_devices` that are joined")


def _speed(planned: PlannedRank, used: Sequence[Observation]) -> Finding:
    rates = [port["gbit_per_s"] for port in used]
    names = ", ".join(_name(port) for port in used)
    if None in rates:
        return Finding(Status.UNKNOWN, f"{names} do not tell their rates", "run this again")
    gbit_per_s = sum(rates)
    evidence = f"{names} ({used[0]['link_layer']}) active, {gbit_per_s:g} Gbit/s"
    if gbit_per_s >= planned.gbit_per_s:
        return Finding(Status.OK, evidence)
    status = Status.CRITICAL if too_slow(planned, gbit_per_s) else Status.WARN
    return Finding(status, f"{evidence}: {planned.gbit_per_s:g} are planned with", _LINK)


CHECK = Check(
    name="rdma",
    fine="each port that is used is active, with a GID, and they are as fast as the plan believes",
    judge=judge,
    healthy=RANK,
    applies=OVER_RDMA,
    examples=(
        Example(
            "an InfiniBand port without a subnet manager",
            Status.CRITICAL,
            {"network.rdma": [{**PORT, "state": "INIT", "link_layer": "InfiniBand"}]},
            planned={"rdma_devices": ("mlx5_0",)},
        ),
        Example(
            "an RDMA device that is not there",
            Status.CRITICAL,
            planned={"rdma_devices": ("mlx5_1",)},
        ),
        Example("RoCE without an address", Status.CRITICAL, {"network.rdma.0.gids": []}),
        Example(
            "InfiniBand on one server and RoCE on the other",
            Status.CRITICAL,
            {"others.gpu2.network": {"rdma": [{**PORT, "link_layer": "InfiniBand"}]}},
        ),
        Example(
            "an RDMA port that came up at a fraction of its rate",
            Status.CRITICAL,
            {"network.rdma.0.gbit_per_s": 25.0},
        ),
        Example(
            "an RDMA port slower than the plan believes",
            Status.WARN,
            {"network.rdma.0.gbit_per_s": 56.0},
        ),
        Example("RDMA ports that are all down", Status.WARN, {"network.rdma.0.state": "DOWN"}),
    ),
)
