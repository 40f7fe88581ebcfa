"""The kernel's log of this boot, and the NVIDIA driver's errors in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import Any

from rackwright.remote.host.running import output

MOST_RECORD, MOST_LINES = 8192, "--lines=50000"
XID = re.compile(r"NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+),?\s*(.*)")


def kernel_log() -> Iterator[str]:
    """Lines of this boot: the kernel's own buffer, or what the journal kept of it."""
    try:
        handle = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        argv = ("journalctl", "--dmesg", "--boot", "--output=cat", "--no-pager", MOST_LINES)
        yield from output(*argv).splitlines()
        return
    try:
        while record := os.read(handle, MOST_RECORD):
            yield record.decode(errors="replace").partition(";")[2].partition("\n")[0]
    except BlockingIOError:
        return  # nothing newer
    finally:
        os.close(handle)


def xids(lines: Iterable[str]) -> list[dict[str, Any]]:
    """The driver's errors: ``pci_bus_id``, ``code`` and ``text``, oldest first."""
    found = (XID.search(line) for line in lines)
    return [
        {"pci_bus_id": one[1].lower(), "code": int(one[2]), "text": one[3].strip()}
        for one in found
        if one
    ]
