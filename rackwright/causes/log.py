"""The errors of a log, the one that came first in front."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

from rackwright.causes.failure import Failure
from rackwright.causes.lines import Line, Written, clean, read
from rackwright.causes.plain import Said, error_at
from rackwright.causes.tracebacks import HEADER, Trace

_CHILD = re.compile(
    r"(?:Failed core proc\(s\): \{[^}]{0,200}?: |exit ?code:? ?=?|exitcode=)-(\d{1,2})\b"
)
_ENDED_BY_US = frozenset({"TERM", "INT"})


def failures(written: Iterable[Written]) -> tuple[Failure, ...]:
    """Every error of a log: those of the process that failed first, then what followed from them.

    Takes time linear in the log and never raises, whatever the log says. In order: what ended a
    process or was thrown, then lines that only say error; all that merely tells of another's
    failure comes last.
    """
    found = _read(read(written))
    return tuple(sorted(found, key=lambda one: (one.follows, not one.certain, one.at)))


def _read(lines: Iterable[Line]) -> list[Failure]:
    traces: list[Trace] = []
    said: list[Said] = []
    open_traces: dict[tuple[int | str, ...], Trace] = {}
    open_said: dict[tuple[int | str, ...], Said] = {}
    before: dict[tuple[int | str, ...], str] = {}
    for at, line in enumerate(lines):
        trace, spoken = open_traces.get(line.stream), open_said.get(line.stream)
        if line.text.endswith(HEADER):
            if trace is None or not trace.goes_on():
                traces.append(Trace(at, line, before.get(line.stream, "")))
                open_traces[line.stream] = traces[-1]
            open_said.pop(line.stream, None)
        elif trace and trace.take(line):
            pass
        elif fresh := error_at(at, line):
            said.append(fresh)
            open_said[line.stream] = fresh
        elif not (spoken and spoken.take(line)):
            open_said.pop(line.stream, None)
        before[line.stream] = line.text
    ended = [failure for trace in traces if (failure := trace.failure())]
    return ended + [Failure(s.at, s.process, (s.raised(),), s.certain) for s in said]


def signal_of_a_child(written: Iterable[Written]) -> str:
    """The signal (``ILL``) that ended a process of the engine's, as another tells; else empty."""
    for one in written:
        found = _CHILD.search(clean(one.text))
        if found and (name := signal_name(found[1])) not in _ENDED_BY_US:
            return name
    return ""


def signal_name(number: str) -> str:
    """``ILL`` of the number 4; what is no signal's number stays as it is."""
    try:
        return signal.Signals(int(number)).name.removeprefix("SIG")
    except ValueError:
        return number
