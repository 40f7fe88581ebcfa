"""What the driver's errors mean, and how bad each is.

Codes and what to do: NVIDIA, "GPU Deployment and Management: Xid Errors", the Xid catalog
(analyzing-xid-catalog). Its bucket ``RESET_GPU`` is CRITICAL here unless the fault was contained or
mended, ``RESTART_APP`` and ``IGNORE`` are WARN. Of NVLink 5 (144 to 150) and of NVSwitches (SXid:
Fabric Manager User Guide, appendix on SXid errors) the line itself says whether it is fatal.
"""

from __future__ import annotations

from typing import NamedTuple

from rackwright.checks.results import Status
from rackwright.remote.host.xid_texts import RECOVERY, asked_by, is_fatal, number_asked

RESET = (
    "drain the server, reset the GPU (`nvidia-smi -r`) or reboot; if it comes again, have the GPU "
    "replaced. A driver that reports no Xid 154 tells nothing of a reset: load its module anew"
)
REBOOT = "drain the server and reboot it; if it comes again, have the GPU replaced"
LINK = "check NVLink bridges and board, reset all GPUs of the server"
LOST = "power-cycle the server, reseat the GPU; if it comes again, have it replaced"
LOOK = "an engine's own fault as often as the GPU's: see its journal at that time"
WATCH = "nothing to do at once; where it comes again and again, see the links and their counters"
REPLACE = "have the GPU replaced"
IGNORED = frozenset({45, 106, 107, 162})
"""What is logged as well when a program is ended, tests of the management bus, and good news."""


class Meaning(NamedTuple):
    """How bad a code is, what it says in words, and what to do."""

    status: Status
    words: str
    remedy: str


def _grave(words: str, remedy: str = RESET) -> Meaning:
    return Meaning(Status.CRITICAL, words, remedy)


def _mild(words: str, remedy: str = LOOK) -> Meaning:
    return Meaning(Status.WARN, words, remedy)


CODES = {
    13: _mild("exception of a program"),
    31: _mild("invalid memory access of a program"),
    43: _mild("a program's work was stopped"),
    48: _grave("uncorrectable memory error"),
    61: _grave("fault of an internal controller"),
    62: _grave("halt of an internal controller"),
    63: _mild("a memory row is to be remapped", RESET),
    64: _grave("a memory row could not be remapped"),
    74: _grave("NVLink error", LINK),
    79: _grave("the GPU has fallen off the bus", LOST),
    92: _mild("many single-bit memory errors", WATCH),
    94: _mild("memory error that was contained", RESET),
    95: _grave("memory error that was not contained"),
    109: _grave("the GPU did not change from one program to the next in time"),
    110: _grave("security fault"),
    119: _grave("the GPU's system processor gives no answer"),
    120: _grave("fault of the GPU's system processor"),
    121: _mild("corrected error of the link to the CPU", WATCH),
    136: _grave("training of an NVLink failed", LINK),
    137: _mild("an access over NVLink that was not allowed: a program's, or of a link that failed"),
    140: _grave("memory error that was not recovered"),
    143: _grave("the GPU could not be initialised"),
    155: _grave("NVLink error that the driver has defined", LINK),
    156: _mild("a part of the GPU is to be retired", RESET),
    157: _grave("a part of the GPU could not be retired", REPLACE),
    158: _grave("the GPU did not answer in time"),
    164: _mild("the circuit that smooths power wears out", WATCH),
    165: _mild("the circuit that smooths power is worn out", REPLACE),
    167: _grave("PCIe did not answer in time", LOST),
    168: _grave("errors in protected memory: less memory is there"),
    169: _grave("halt of the security controller"),
    171: _grave("uncorrectable error in the GPU's memory (DRAM)"),
    172: _grave("uncorrectable error inside the GPU (SRAM)"),
}
BY_TEXT = {
    144: "NVLink error in its unit SAW",
    145: "NVLink error in its unit RLW",
    146: "NVLink error in its unit TLW",
    147: "NVLink error in its unit TREX",
    148: "NVLink error in its unit NVLPW",
    149: "NVLink error of the link itself, unit NETIR",
    150: "NVLink error of its processor, unit MSE",
}
"""Of NVLink 5; whether the error was fatal stands in the text."""
UNKNOWN_CODE = _mild("see NVIDIA's documentation of Xid errors")
_REBOOTS = (2, 7)
"""NVML_GPU_RECOVERY_ACTION_NODE_REBOOT and _SYSTEM_REBOOT."""


def meaning_of(code: int, text: str) -> Meaning:
    """What an Xid means, by its code or by what its line says."""
    if code == RECOVERY:
        return _grave(f"the driver asks for: {asked_by(text) or 'a recovery it does not name'}")
    if code not in BY_TEXT:
        return CODES.get(code, UNKNOWN_CODE)
    words = BY_TEXT[code]
    return _grave(f"fatal {words}", LINK) if is_fatal(text) else _mild(words, WATCH)


def remedy_for(asked: str) -> str:
    """What to do where the driver asks for something: a reboot where it says so, else a reset."""
    numbered = number_asked(asked) in _REBOOTS
    return REBOOT if numbered or "boot" in asked.lower() else RESET
