"""Faults of GPUs that put a server in quarantine, out of the kernel's log and NVML. Pure.

Which codes are fatal the plan says (``checks.server.xid_codes``); here they are only met.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rackwright.remote.host.kernel_log import SXID, XID
from rackwright.remote.host.xid_texts import RECOVERY, asked_by, is_fatal

MOST_TEXT = 200
_DETAILS = ("severity", "data")

Values = dict[str, Any]


class Gpu(NamedTuple):
    """A GPU that replicas run on, as it was when the plan was put in place."""

    number: int
    uuid: str
    pci_bus_id: str


class Fault(NamedTuple):
    """Why a server is no good, and of which GPUs (UUIDs)."""

    why: str
    gpus: tuple[str, ...]


class Codes(NamedTuple):
    """Fatal Xids by code with their words, and those of which the line says whether they are."""

    fatal: Mapping[str, str]
    by_text: Mapping[str, str]


def slot_of(address: str) -> str:
    """Domain, bus and device, as ``0000:17:00``, however it is written."""
    domain, _, rest = address.lower().partition(".")[0].partition(":")
    return f"{domain[-4:]}:{rest}"


def of_log(lines: Iterable[str], gpus: Sequence[Gpu], codes: Codes) -> Iterator[Fault]:
    """The fatal errors of GPUs that are used; of NVSwitches where more than one is."""
    by_slot = {slot_of(gpu.pci_bus_id): gpu for gpu in gpus}
    for line in lines:
        if found := XID.search(line):
            gpu = by_slot.get(slot_of(found[1]))
            words = _fatal(found[2], found[3].strip(), codes)
            if gpu and words:
                text = found[3].strip()[:MOST_TEXT]
                yield Fault(f"GPU {gpu.number}: Xid {found[2]} ({words}): {text}", (gpu.uuid,))
        elif (found := SXID.search(line)) and len(gpus) > 1 and _is_fatal_of_switch(found[3]):
            uuids = tuple(gpu.uuid for gpu in gpus)
            text = found[3].strip()[:MOST_TEXT]
            yield Fault(f"NVSwitch {found[1]}: SXid {found[2]}: {text}", uuids)


def _fatal(code: str, text: str, codes: Codes) -> str:
    """What a fatal one means; empty where it is not."""
    if code == str(RECOVERY):
        asked = asked_by(text)
        return f"the driver asks for {asked}" if asked not in ("none", "") else ""
    if code in codes.by_text:
        return codes.by_text[code] if is_fatal(text) else ""
    return codes.fatal.get(code, "")


def _is_fatal_of_switch(text: str) -> bool:
    said = text.strip().lower()
    return (
        not said.startswith(_DETAILS)
        and re.search(r"\bfatal\b", said) is not None
        and (is_fatal(said))
    )


class Answer(NamedTuple):
    """What NVML said of the GPUs by UUID; ``error`` where it said nothing of any."""

    gpus: Mapping[str, Values]
    error: str = ""


class Answers(NamedTuple):
    """The last one, the one before it, and the first of the time that is judged."""

    now: Answer
    before: Answer
    first: Answer


def of_nvml(answers: Answers, gpus: Sequence[Gpu]) -> Iterator[Fault]:
    """What it said twice: GPUs that are gone, rows that could not be remapped, more errors.

    NVML that says nothing at all is no fault: a driver is loaded anew, or is being replaced.
    """
    if any(answer.error for answer in answers):
        return
    for gpu in gpus:
        if words := _of_gpu(*(answer.gpus.get(gpu.uuid) for answer in answers)):
            yield Fault(f"GPU {gpu.number}: {words}", (gpu.uuid,))


def _of_gpu(now: Values | None, before: Values | None, first: Values | None) -> str:
    if now is None or before is None:
        return "lost, NVML does not have it" if now is None and before is None else ""
    if now.get("remapping_failed") and before.get("remapping_failed"):
        return "a memory row could not be remapped"
    counts = [(one or {}).get("uncorrected") for one in (now, before, first)]
    known = [count for count in counts if isinstance(count, int)]
    if len(known) == len(counts) and min(known[:2]) > known[2]:
        return f"{known[0] - known[2]} memory errors that were not corrected"
    return ""
