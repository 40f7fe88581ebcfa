"""What was observed of a host, read with care: anything of it may be missing or garbled."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from math import isfinite
from typing import Any

from rackwright.checks.results import Status

Observation = Mapping[str, Any]


def part_of(seen: Any, *keys: str) -> Observation:
    """A part of an observation; an empty one where it is missing or no mapping."""
    for key in keys:
        seen = seen.get(key) if isinstance(seen, Mapping) else None
    return seen if isinstance(seen, Mapping) else {}


def of_declared(probe: Observation, declared: Collection[int]) -> Observation:
    """What a probe saw, without what is wrong with GPUs that are not declared.

    In place of each of them stands an empty answer, so that no check judges it; ``left_out`` says
    by index what they are. Their errors in the kernel's log, and why they could not be read, are
    left out too.
    """
    gpus = probe.get("gpus")
    listed = enumerate(gpus) if isinstance(gpus, list) else ()
    others = {index: gpu for index, gpu in listed if index not in declared}
    if not isinstance(gpus, list) or not others:
        return probe
    reasons = part_of(probe, "unavailable")
    return {
        **probe,
        "gpus": [{} if index in others else gpu for index, gpu in enumerate(gpus)],
        "left_out": {index: _what_it_is(gpu, index, reasons) for index, gpu in others.items()},
        "unavailable": {path: why for path, why in reasons.items() if not _is_of(path, others)},
        "xids": _xids(probe.get("xids"), [part_of(gpu) for gpu in others.values()]),
    }


def _what_it_is(gpu: Any, index: int, reasons: Observation) -> str:
    if gpu is None:
        return f"lost ({reasons.get(f'gpus[{index}]') or 'it does not answer'})"
    mig = " with MIG on" if part_of(gpu, "mig_mode").get("current") is True else ""
    return f"{part_of(gpu).get('name') or 'of no name'}{mig}"


def _is_of(path: object, gpus: Collection[int]) -> bool:
    found = re.match(r"gpus\[(\d{1,4})\]", str(path))
    return found is not None and int(found[1]) in gpus


def _xids(xids: Any, gpus: Sequence[Observation]) -> Any:
    """The errors of other GPUs than these; the kernel's log leaves out the function (``.0``)."""
    addresses = {_slot(gpu.get("pci_bus_id")) for gpu in gpus} - {""}
    if not isinstance(xids, list) or not addresses:
        return xids
    return [xid for xid in xids if _slot(part_of(xid).get("pci_bus_id")) not in addresses]


def _slot(address: object) -> str:
    """Domain, bus and device, the domain in four digits; "" for none."""
    domain, colon, rest = str(address or "").lower().partition(":")
    return f"{domain[-4:]}:{rest.partition('.')[0]}" if colon else ""


def answer_of(reply: Any) -> tuple[Observation | None, Status, str]:
    """An HTTP observation that was answered with 200; or None, how bad that is, and why.

    No answer, or another one, is CRITICAL; an observation that is missing or garbled is UNKNOWN.
    """
    if not isinstance(reply, Mapping) or not reply:
        return None, Status.UNKNOWN, "was not observed"
    if "error" in reply:
        return None, Status.CRITICAL, str(reply["error"])
    if not isinstance(reply.get("status"), int):
        return None, Status.UNKNOWN, "the observation has no HTTP status"
    if reply["status"] != 200:
        return None, Status.CRITICAL, f"HTTP {reply['status']}: {str(reply.get('body'))[:200]}"
    return reply, Status.OK, ""


def number_of(body: Any, key: str) -> float | None:
    """A number of an observation that is one, and finite; else None."""
    value = body.get(key) if isinstance(body, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return value
