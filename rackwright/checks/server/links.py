"""NVLink joins the GPUs that the inventory says it joins, with every link up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedKind, PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER, link
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude
from rackwright.planning.topology import observed

_DECLARE = "correct `interconnect` in the inventory (`rackwright discover` prints it)"
_ELSE = "they may lead to GPUs of the board that this machine does not have"
_PART = (
    "nothing, where another machine has the rest of the board; else see "
    "`nvidia-smi nvlink --status` and reseat the board"
)
_MEND = (
    "reseat the bridge or the board, then `nvidia-smi nvlink --status`; plan without it till then"
)


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for a link that is down or GPUs that are not joined; WARN for NVLink undeclared.

    WARN also for links that are down on all GPUs of a board alike.
    """
    probed = Probed(seen)
    findings: list[Finding] = []
    for kind in planned.kinds:
        joins = kind.interconnect in ("nvlink", "nvswitch")
        judged = [_down, _apart] if joins else [_undeclared]
        findings += [finding for faults in judged for finding in faults(kind, probed)]
    return conclude(probed, findings, "; ".join(dict.fromkeys(map(_fine, planned.kinds))))


def _fine(kind: PlannedKind) -> str:
    if kind.interconnect == "none":
        return "one GPU: nothing to join"
    if kind.interconnect == "pcie":
        return "no NVLink declared, none there"
    sizes = ", ".join("-".join(map(str, island)) for island in kind.islands)
    return f"NVLink joins GPUs {sizes}, every link is up"


def _down(kind: PlannedKind, probed: Probed) -> Iterator[Finding]:
    joined = {index for island in kind.islands if len(island) > 1 for index in island}
    for index in sorted(joined & set(range(len(probed.gpus)))):
        if probed.gpus[index] is None:
            continue
        links = probed.read(index, "nvlinks") or []
        down = _that_are_down(links)
        wanted = kind.gpu.nvlink.links if kind.gpu.nvlink else 0
        if down and _lead_elsewhere(kind, probed, index):
            evidence = (
                f"GPU {index}: {len(down)} of {len(links)} links down, as on its peers: {_ELSE}"
            )
            yield Finding(Status.WARN, evidence, _PART)
        elif down:
            evidence = f"GPU {index}: {len(down)} of {len(links)} links down ({', '.join(down)})"
            yield Finding(Status.CRITICAL, evidence, _MEND)
        elif len(links) < wanted:
            evidence = f"GPU {index} shows {len(links)} of {wanted} links"
            yield Finding(Status.CRITICAL, evidence, _MEND)


def _that_are_down(links: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(link["link"]) for link in links if link.get("active") is False]


def _lead_elsewhere(kind: PlannedKind, probed: Probed, index: int) -> bool:
    """Whether as many links are down on all that a board joins directly: a fault is of two GPUs.

    A machine that is given a part of a board has links to those of its GPUs that others have.
    """
    board = kind.gpu.nvlink.island if kind.gpu.nvlink else 1
    island = next(island for island in kind.islands if index in island)
    there = [peer for peer in island if peer < len(probed.gpus) and probed.gpus[peer]]
    counts = {len(_that_are_down(probed.read(peer, "nvlinks") or [])) for peer in there}
    return kind.interconnect == "nvlink" and board > 2 and len(counts) == 1 and len(there) > 1


def _apart(kind: PlannedKind, probed: Probed) -> Iterator[Finding]:
    """Islands of the plan that NVLink does not join: their traffic takes PCIe."""
    seen = [set(island) for island in observed(probed.seen).islands]
    for island in kind.islands:
        there = {index for index in island if index < len(probed.gpus) and probed.gpus[index]}
        if len(there) > 1 and not any(there <= each for each in seen):
            names = ", ".join(map(str, island))
            evidence = f"no NVLink joins GPUs {names}: what they tell one another takes PCIe"
            yield Finding(Status.CRITICAL, evidence, _DECLARE)


def _undeclared(kind: PlannedKind, probed: Probed) -> Iterator[Finding]:
    for island in observed(probed.seen).islands if len(kind.indexes) > 1 else ():
        own = [index for index in island if index in kind.indexes]
        if len(own) > 1:
            names = ", ".join(map(str, own))
            evidence = f"NVLink joins GPUs {names}, {kind.interconnect} is declared"
            yield Finding(Status.WARN, evidence, _DECLARE)


CHECK = Check(
    name="links",
    fine="NVLink joins the GPUs that the plan believes joined, every link up",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "a link that is down", Status.CRITICAL, {"gpus.0.nvlinks.3": link(3, active=False)}
        ),
        Example(
            "a link that is not there",
            Status.CRITICAL,
            {"gpus.0.nvlinks": [link(number) for number in range(17)]},
        ),
        Example(
            "GPUs that are not joined",
            Status.CRITICAL,
            {"gpus.0.nvlinks": [link(n, "00000000:0f:00.0") for n in range(18)]},
        ),
        Example(
            "NVLink that is not declared",
            Status.WARN,
            planned={"interconnect": "pcie", "islands": ((0,), (1,))},
        ),
    ),
)
