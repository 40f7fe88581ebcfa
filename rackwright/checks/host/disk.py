"""There is room on the disks: now, and for the next release and the next weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.host.healthy import HOST, room
from rackwright.checks.observed import Observation, number_of
from rackwright.checks.planned import Folder, PlannedHost
from rackwright.checks.results import Finding, Status

LEAST_BYTES = 1024**3
"""With less, engines cannot write what they compile at their start, nor hosts their logs."""
_GIB = 1024**3
_GROW = "`rackwright clean INVENTORY` removes what nothing uses; else give it a larger disk"


def judge(planned: PlannedHost, seen: Observation) -> Finding:
    """CRITICAL for a disk that is full, WARN where the next version would not fit beside this."""
    disks = seen.get("disks")
    known = disks if isinstance(disks, Mapping) else {}
    worst, remedy, words = Status.OK, "", []
    for folders, disk in _by_device(planned.folders, known):
        status, evidence = _judge(folders, disk)
        words.append(evidence)
        worst = max(worst, status)
        remedy = _GROW if worst is not Status.OK else ""
    if not words:
        return Finding(Status.UNKNOWN, "was not observed", "run this again")
    return Finding(worst, "; ".join(words), remedy)


def _by_device(
    folders: tuple[Folder, ...], disks: Mapping[str, Any]
) -> Iterator[tuple[list[Folder], Any]]:
    """Folders on one disk share its room."""
    together: dict[Any, list[Folder]] = {}
    for folder in folders:
        disk = disks.get(folder.path)
        device = disk.get("device") if isinstance(disk, Mapping) else None
        together.setdefault(folder.path if device is None else device, []).append(folder)
    for shared in together.values():
        yield shared, disks.get(shared[0].path)


def _judge(folders: list[Folder], disk: Any) -> tuple[Status, str]:
    names = " and ".join(dict.fromkeys(folder.what for folder in folders))
    free, total = number_of(disk, "free_bytes"), number_of(disk, "total_bytes")
    if free is None or not total:
        why = disk.get("error") if isinstance(disk, Mapping) else None
        return Status.UNKNOWN, f"{names}: {why or 'was not observed'}"
    evidence = f"{names}: {free / _GIB:.0f} of {total / _GIB:.0f} GiB free"
    if free < LEAST_BYTES:
        return Status.CRITICAL, evidence
    needed = sum(folder.next_bytes for folder in folders)
    if free < needed:
        return Status.WARN, f"{evidence}, the next version takes {needed / _GIB:.0f}"
    return Status.OK, evidence


CHECK = Check(
    name="disk",
    fine=(
        "room for logs, for the next release and the next revision of the largest model beside this"
    ),
    judge=judge,
    healthy=HOST,
    examples=(
        Example(
            "a disk on which the next version would not fit",
            Status.WARN,
            {"disks./var/lib/rackwright/models": room(20, device=2)},
        ),
        Example(
            "a disk with less than 1 GiB left",
            Status.CRITICAL,
            {"disks./var/lib/rackwright/models": room(0.5, device=2)},
        ),
    ),
)
