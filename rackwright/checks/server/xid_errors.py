"""The driver has reported no fault of a GPU since the host was started.

Codes and what they mean: NVIDIA's Xid errors documentation (GPU Deployment and Management).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_RESET = "drain the server, reset the GPU or reboot; if it comes again, have the GPU replaced"
_LINK = "check NVLink bridges and board, reset all GPUs of the server"
_LOST = "power-cycle the server, reseat the GPU; if it comes again, have it replaced"
_LOOK = "an engine's own fault as often as the GPU's: see its journal at that time"
FAULTS = {
    48: (Status.CRITICAL, "uncorrectable memory error", _RESET),
    61: (Status.CRITICAL, "fault of an internal controller", _RESET),
    62: (Status.CRITICAL, "halt of an internal controller", _RESET),
    63: (Status.WARN, "a memory row is to be remapped", _RESET),
    64: (Status.CRITICAL, "a memory row could not be remapped", _RESET),
    74: (Status.CRITICAL, "NVLink error", _LINK),
    79: (Status.CRITICAL, "the GPU has fallen off the bus", _LOST),
    94: (Status.WARN, "memory error that was contained", _RESET),
    95: (Status.CRITICAL, "memory error that was not contained", _RESET),
    119: (Status.CRITICAL, "the GPU's system processor gives no answer", _RESET),
    120: (Status.CRITICAL, "fault of the GPU's system processor", _RESET),
    140: (Status.CRITICAL, "memory error that was not recovered", _RESET),
    13: (Status.WARN, "exception of a program", _LOOK),
    31: (Status.WARN, "invalid memory access of a program", _LOOK),
    43: (Status.WARN, "a program's work was stopped", _LOOK),
}
IGNORED = (45,)
"""What is logged as well when a program is ended."""
_UNKNOWN_CODE = (Status.WARN, "see NVIDIA's documentation of Xid errors", _LOOK)


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for codes that speak of hardware, WARN for those that may be a program's."""
    probed = Probed(seen)
    xids = seen.get("xids")
    if not isinstance(xids, list):
        why = f"the kernel's log could not be read ({probed.reason('xids') or 'not observed'})"
        probed.unread.append(Finding(Status.UNKNOWN, why, "run as root, or with `_sudo`"))
        xids = []
    counts = Counter((one["code"], one["pci_bus_id"]) for one in xids)
    return conclude(probed, list(_findings(counts)), "none since boot")


def _findings(counts: Counter[tuple[int, str]]) -> Iterator[Finding]:
    for (code, address), count in counts.items():
        if code in IGNORED:
            continue
        status, meaning, remedy = FAULTS.get(code, _UNKNOWN_CODE)
        times = f", {count} times" if count > 1 else ""
        yield Finding(status, f"{address}: Xid {code} ({meaning}){times}", remedy)


def _logged(code: int) -> dict[str, Any]:
    """The kernel's log with that code in it."""
    return {"xids": [{"pci_bus_id": "0000:17:00", "code": code, "text": ""}]}


CHECK = Check(
    name="Xid errors",
    fine="the driver reported no fault since boot",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example("a GPU that fell off the bus", Status.CRITICAL, _logged(79)),
        Example("an NVLink error", Status.CRITICAL, _logged(74)),
        Example("a program that failed", Status.WARN, _logged(31)),
        Example("a kernel log that cannot be read", Status.UNKNOWN, {"xids": None}),
    ),
)
