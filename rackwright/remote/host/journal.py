"""Entries of systemd's journal."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

MOST_ENTRY = 1 << 20
"""Bytes; a longer one is garbled by the cut."""

Values = dict[str, Any]


def entries(*which: str) -> Iterator[Values]:
    """Entries of the journal; one that is garbled is left out."""
    fields = "MESSAGE,MESSAGE_ID,_PID,INVOCATION_ID,EXIT_CODE,EXIT_STATUS,UNIT_RESULT"
    argv = ["journalctl", "--no-pager", "--quiet", "--all", "--output=json"]
    argv += [f"--output-fields={fields}", *which]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as asked:
        assert asked.stdout is not None
        try:
            while line := asked.stdout.readline(MOST_ENTRY):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue
        finally:
            asked.kill()


def field_text(value: Any) -> str:
    """A field of the journal: a string, or numbers where it is no UTF-8, or several of either."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, int) for one in value):
        return bytes(value).decode(errors="replace")
    return field_text(value[0]) if isinstance(value, list) else ""
