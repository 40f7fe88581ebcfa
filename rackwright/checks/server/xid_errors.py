"""The driver has reported no fault of a GPU or an NVSwitch that is still open.

A fault is over with the next boot, with the driver's module loaded anew (the probe tells only what
came after), and once the driver itself asks for nothing any more: by Xid 154 "to 0x0 (None)", or by
NVML where it had asked for something before. Whether somebody ran `nvidia-smi -r` is seen nowhere
else; a driver older than Xid 154 has to be loaded anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude
from rackwright.checks.server.xid_codes import (
    IGNORED,
    LINK,
    WATCH,
    Meaning,
    meaning_of,
    remedy_for,
)
from rackwright.remote.host.xid_texts import RECOVERY, asked_by, is_fatal

MOST_TEXT = 200
_DETAILS = ("severity", "data")
"""What the lines begin with that follow an SXid and only add numbers."""


class Fault(NamedTuple):
    """One error of the log, by the slot it is of."""

    slot: str
    code: int
    text: str


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL for codes that speak of hardware, WARN for those that may be a program's."""
    probed = Probed(seen)
    now = dict(_asked_now(probed))
    xids = sorted(_open(_read(probed, "xids"), now), key=lambda one: one.code != RECOVERY)
    findings = [  # what the driver asks for comes first: its remedy counts
        *_asking(now),
        *_grouped("Xid", [(one, _meaning(one)) for one in xids]),
        *_grouped("SXid", [(one, _of_switch(one)) for one in _read(probed, "sxids")]),
    ]
    return conclude(probed, findings, "none since the driver was loaded")


def _read(probed: Probed, key: str) -> list[Fault]:
    """The errors in order. None of the kernel's log is UNKNOWN; an older probe has no SXids."""
    said = probed.seen.get(key, [] if key == "sxids" else None)
    if not isinstance(said, list):
        why = f"the kernel's log could not be read ({probed.reason('xids') or 'not observed'})"
        if key == "xids":
            probed.unread.append(Finding(Status.UNKNOWN, why, "run as root, or with `_sudo`"))
        return []
    return [Fault(_slot(one["pci_bus_id"]), one["code"], str(one["text"])) for one in said]


def _slot(address: Any) -> str:
    """Domain, bus and device alone, however many digits there are and whichever the function."""
    domain, _, rest = str(address).lower().partition(".")[0].partition(":")
    return f"{domain[-4:]}:{rest}"


def _asked_now(probed: Probed) -> Iterator[tuple[str, str]]:
    """By slot what NVML says that the driver asks for; nothing of a driver that does not tell."""
    for gpu in filter(None, probed.gpus):
        action = gpu.get("recovery_action")
        if isinstance(action, str) and gpu.get("pci_bus_id"):
            yield _slot(gpu["pci_bus_id"]), action


def _open(faults: Sequence[Fault], now: dict[str, str]) -> Iterator[Fault]:
    """The faults that nobody has mended yet, as far as the driver says, and what it asked last."""
    asked = {one.slot: place for place, one in enumerate(faults) if one.code == RECOVERY}
    over = {one.slot: place for place, one in enumerate(faults) if _ends(one, now)}
    for place, one in enumerate(faults):
        passed = one.code == RECOVERY and place != asked[one.slot]
        if place > over.get(one.slot, -1) and not passed and one.code not in IGNORED:
            yield one


def _ends(one: Fault, now: dict[str, str]) -> bool:
    """Whether all that was before of a GPU is over with this line, and the line itself."""
    return one.code == RECOVERY and "none" in (asked_by(one.text), now.get(one.slot))


def _meaning(one: Fault) -> Meaning:
    found = meaning_of(one.code, one.text)
    return found._replace(remedy=remedy_for(one.text)) if one.code == RECOVERY else found


def _of_switch(one: Fault) -> Meaning | None:
    """What an SXid means: its text says whether it was fatal; None of a line that adds numbers."""
    if one.text.lower().startswith(_DETAILS):
        return None
    if is_fatal(one.text):
        return Meaning(Status.CRITICAL, "fatal, of an NVSwitch", LINK)
    return Meaning(Status.WARN, "of an NVSwitch", WATCH)


def _grouped(kind: str, judged: Sequence[tuple[Fault, Meaning | None]]) -> Iterator[Finding]:
    """One finding for all that is the same, with the last line of it."""
    texts: dict[tuple[str, int, Meaning], list[str]] = {}
    for one, meaning in judged:
        if meaning:
            texts.setdefault((one.slot, one.code, meaning), []).append(one.text)
    for (slot, code, meaning), said in texts.items():
        times = f", {len(said)} times" if len(said) > 1 else ""
        last = f": {said[-1][:MOST_TEXT]}" if said[-1] else ""
        evidence = f"{slot}: {kind} {code} ({meaning.words}){times}{last}"
        yield Finding(meaning.status, evidence, meaning.remedy)


def _asking(now: dict[str, str]) -> Iterator[Finding]:
    for slot, action in now.items():
        if action != "none":
            words = f"{slot}: the driver asks for {action.replace('_', ' ')}"
            yield Finding(Status.CRITICAL, words, remedy_for(action))


def _logged(code: int, text: str = "", kind: str = "xids") -> dict[str, Any]:
    """The kernel's log with that code in it."""
    return {kind: [{"pci_bus_id": "0000:17:00", "code": code, "text": text}]}


CHECK = Check(
    name="Xid errors",
    fine="the driver reported no fault since it was loaded, or asks for nothing any more",
    judge=judge,
    healthy=SERVER,
    applies=SHOWS_GPUS,
    examples=(
        Example("a GPU that fell off the bus", Status.CRITICAL, _logged(79)),
        Example("an NVLink error", Status.CRITICAL, _logged(74)),
        Example(
            "a fatal error of NVLink 5",
            Status.CRITICAL,
            _logged(149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x026001c6 0x0)"),
        ),
        Example(
            "an error of NVLink 5 that is not fatal",
            Status.WARN,
            _logged(145, "RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2 0x8)"),
        ),
        Example(
            "a driver that asks for a reset",
            Status.CRITICAL,
            _logged(154, "GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)"),
        ),
        Example(
            "a GPU that says it has to be reset",
            Status.CRITICAL,
            {"gpus.0.recovery_action": "gpu_reset"},
        ),
        Example(
            "a fatal error of an NVSwitch",
            Status.CRITICAL,
            _logged(20034, "Fatal, Link 30 LTSSM Fault Up", "sxids"),
        ),
        Example(
            "an error of an NVSwitch that is not fatal",
            Status.WARN,
            _logged(12028, "Non-fatal, Link 32 egress non-posted PRIV error", "sxids"),
        ),
        Example("a program that failed", Status.WARN, _logged(31)),
        Example("a kernel log that cannot be read", Status.UNKNOWN, {"xids": None}),
    ),
)
