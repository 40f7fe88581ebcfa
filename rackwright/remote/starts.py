"""On the host: what a unit's last starts wrote, and how they ended. Judges nothing.

A start is known by systemd's invocation id, so that lines of one are never taken for another's,
also when systemd has begun the next meanwhile. All that is read is bounded, in lines and bytes.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
from collections import deque
from collections.abc import Sequence
from typing import Any

from rackwright.remote.host.attempts import attempts
from rackwright.remote.host.environment_file import assignments, unquoted
from rackwright.remote.host.journal import entries, field_text
from rackwright.remote.host.running import ended, output
from rackwright.remote.host.systemd import show

ONLY_LOOKS = True

PROPERTIES = (
    "LoadState,ActiveState,SubState,NRestarts,InvocationID,ActiveEnterTimestamp,"
    "StateChangeTimestamp,Job"
)
LOOKS = 5
STARTS = 2
"""The one that goes on, and the one before it that failed."""
SAID = 100
"""Lines that systemd itself says of a unit: a few a start."""
FIRST_LINES, FIRST_BYTES, LAST_LINES = 5000, 1 << 20, 500
MOST_LINES, LONGEST = 200_000, 4000
BEFORE_END_S = 900
"""Of a start that served first, at most so much before its end is read."""
KERNEL_LINES, KERNEL_SHOWN = 5000, 10
TIMEOUT_S = 60

ENTERED_READY = "39f53479d3a045ac8e11786248231fbf"
EXITED = "98e322203f7a4ed290d09fe03c09fe15"
FAILED = "d9b373ed55a64feb8242e02dbe79a49c"
SUCCEEDED = "7ad2d189f7e94e70a38c781354912448"
"""Message ids of systemd (sd-messages.h)."""
KERNEL = re.compile(
    r"invalid opcode|segfault at|general protection|Killed process|oom-kill:|NVRM: Xid"
)
SECRET = re.compile(r"(?:^|_)(?:\w*KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
HIDDEN = "<hidden>"

Values = dict[str, Any]


def seen(asked: Values, shown: Values) -> Values:
    """One unit: systemd's properties of it, its last starts (the newest first), kernel lines.

    ``attempts`` are those that were in vain; with ``serving`` the lines of a start that serves are
    read too. ``shown`` is older than what the journal is read for.
    """
    secrets = secrets_of(asked.get("environment_path"))
    starts = _starts(asked["unit"], shown.get("InvocationID", ""))[:STARTS]
    found: Values = {"state": shown, "starts": starts, "kernel": []}
    found["attempts"] = attempts(asked["unit"])
    pids = set()
    for start in starts:
        if asked.get("serving") or not (start["ready"] and not start["ended"]):
            start["lines"] = _lines(start, secrets)
            pids |= {pid for pid, _ in start["lines"]}
    if starts:
        found["kernel"] = _kernel(asked["unit"], starts[-1]["began_unix_s"], pids)
    return found


def _state(unit: str) -> Values:
    """systemd's properties of a unit, with the type of its job ("start", "stop") for the number.

    A job may be over before its type is asked for: the unit is then in another state.
    """
    for _ in range(LOOKS):
        (shown,) = show(PROPERTIES, unit)
        kind = _kind_of_job(shown.get("Job") or "0")
        if kind is not None:
            return {**shown, "Job": kind}
    return {**shown, "Job": ""}


def _kind_of_job(number: str) -> str | None:
    """Empty for none; None for one that is over."""
    if number == "0":
        return ""
    lines = output("systemctl", "list-jobs", "--no-legend").splitlines()
    return next((line.split()[2] for line in lines if line.split()[:1] == [number]), None)


def secrets_of(path: str | None) -> list[str]:
    """Values of an environment file that are not to be shown, as written there and unquoted."""
    found = set()
    for name, value in assignments(path):
        if SECRET.search(name):
            found |= {value, value.strip('"'), unquoted(value)}
    return sorted((one for one in found if len(one) > 3), key=len, reverse=True)


# --- starts ----------------------------------------------------------------------------------


def _starts(unit: str, current: str) -> list[Values]:
    """What systemd says of the unit's starts, the newest first."""
    starts: dict[str, Values] = {}
    for entry in entries(f"UNIT={unit}", "_PID=1", "--reverse", f"--lines={SAID}"):
        invocation = field_text(entry.get("INVOCATION_ID"))
        if invocation:
            _add(starts.setdefault(invocation, _start(invocation)), entry)
    if current and current not in starts:  # nothing is said of it yet
        return [_start(current), *starts.values()]
    return list(starts.values())


def _start(invocation: str) -> Values:
    return {
        "invocation": invocation,
        "began_unix_s": 0.0,
        "ready_unix_s": 0.0,
        "ended_unix_s": 0.0,
        "ready": False,
        "ended": False,
        "code": "",
        "status": "",
        "result": "",
        "lines": [],
    }


def _add(start: Values, entry: Values) -> None:
    """What one entry, older than those before it, says of a start."""
    identity, at = entry.get("MESSAGE_ID"), int(entry["__REALTIME_TIMESTAMP"]) / 1e6
    start["began_unix_s"] = at
    if identity == ENTERED_READY:
        start["ready"], start["ready_unix_s"] = True, at
    if identity in (FAILED, SUCCEEDED):
        start["ended"], start["ended_unix_s"] = True, start["ended_unix_s"] or at
        start["result"] = field_text(entry.get("UNIT_RESULT"))
    if identity == EXITED and "Main process" in field_text(entry.get("MESSAGE")):
        start["ended"], start["ended_unix_s"] = True, start["ended_unix_s"] or at
        start["code"], start["status"] = (
            field_text(entry.get("EXIT_CODE")),
            field_text(entry["EXIT_STATUS"]),
        )


# --- lines -----------------------------------------------------------------------------------


def _lines(start: Values, secrets: Sequence[str]) -> list[tuple[int, str]]:
    """The first lines of a start and the last: pid and words, without the host's secrets."""
    which = [f"_SYSTEMD_INVOCATION_ID={start['invocation']}"]
    if start["ready"]:
        since_unix_s = max(start["ready_unix_s"], start["ended_unix_s"] - BEFORE_END_S)
        which.append(f"--since=@{since_unix_s:.6f}")
    first: list[tuple[int, str]] = []
    last: deque[tuple[int, str]] = deque(maxlen=LAST_LINES)
    size, count = 0, 0
    for count, entry in enumerate(entries(*which)):
        text = field_text(entry.get("MESSAGE"))
        for secret in secrets:
            text = text.replace(secret, HIDDEN)
        line = (int(field_text(entry.get("_PID")) or 0), text[:LONGEST])
        size += len(line[1])
        room = len(first) < FIRST_LINES and size < FIRST_BYTES
        (first if room else last).append(line)
        if count >= MOST_LINES:
            break
    return [*first, *last]


def _kernel(unit: str, since_unix_s: float, pids: set[int]) -> list[str]:
    """What the kernel says of the unit or one of its processes since then, the last lines."""
    found: deque[str] = deque(maxlen=KERNEL_SHOWN)
    which = ("--dmesg", f"--since=@{since_unix_s:.6f}", f"--lines={KERNEL_LINES}")
    for entry in entries(*which):
        text = field_text(entry.get("MESSAGE"))
        if KERNEL.search(text) and (unit in text or _names(text, pids)):
            found.append(text[:LONGEST])
    return list(found)


def _names(text: str, pids: set[int]) -> bool:
    return any(int(number) in pids for number in re.findall(r"\b\d{3,10}\b", text))


def main(request: Values) -> Values:
    """Each unit of ``request["units"]`` by its name, as ``seen`` has it.

    What a process wrote last may still be on its way to the journal when the process is gone, as
    may what systemd said: all that came before the state it is in is waited for.
    """
    shown = [_state(asked["unit"]) for asked in request["units"]]
    with contextlib.suppress(subprocess.TimeoutExpired):
        ended("journalctl", "--sync", timeout=TIMEOUT_S)
    return {one["unit"]: seen(one, state) for one, state in zip(request["units"], shown)}
