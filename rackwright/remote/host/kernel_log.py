"""The kernel's log of this boot, and the NVIDIA driver's errors in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from rackwright.remote.host.running import output

MOST_RECORD, MOST_RECORDS, MOST_LINES = 8192, 200_000, "--lines=50000"
XID = re.compile(r"NVRM: Xid \((?:PCI:)?([0-9A-Fa-f:.]+)[^)]*\): (\d+)\b,?\s*(.*)")
"""``NVRM: Xid (PCI:0000:17:00 GPU-I:05): 94, pid=...``: of a MIG instance with its number."""
SXID = re.compile(r"nvidia-nvswitch\w*: SXid \((?:PCI:)?([0-9A-Fa-f:.]+)\): (\d+)\b,?\s*(.*)")
LOADED = re.compile(r"(?:\[[^]]*\]\s*)?NVRM: loading NVIDIA UNIX ")
"""The module says so before all else; nothing of what was is there any more."""


def kernel_log() -> Iterator[str]:
    """Lines of this boot: the kernel's own buffer, or what the journal kept of it."""
    try:
        handle = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        argv = ("journalctl", "--dmesg", "--boot", "--output=cat", "--no-pager", MOST_LINES)
        yield from output(*argv).splitlines()
        return
    try:
        for _ in range(MOST_RECORDS):
            if record := _next_of(handle):
                yield record.decode(errors="replace").partition(";")[2].partition("\n")[0]
    except BlockingIOError:
        return  # nothing newer
    finally:
        os.close(handle)


def _next_of(handle: int) -> bytes:
    """The next record; nothing where the kernel has written over it meanwhile."""
    try:
        return os.read(handle, MOST_RECORD)
    except BrokenPipeError:
        return b""


def since_loaded(lines: Iterable[str]) -> list[str]:
    """Those that tell of errors, from the last time on that the driver's module was loaded."""
    kept: list[str] = []
    for line in lines:
        if LOADED.match(line):
            kept.clear()
        elif XID.search(line) or SXID.search(line):
            kept.append(line)
    return kept


def xids(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The driver's errors of GPUs: ``pci_bus_id``, ``code`` and ``text``, oldest first."""
    return list(_errors(XID, lines))


def sxids(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The same of NVSwitches."""
    return list(_errors(SXID, lines))


def _errors(form: re.Pattern[str], lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if one := form.search(line):
            yield {"pci_bus_id": one[1].lower(), "code": int(one[2]), "text": one[3].strip()}
