"""What is told of a unit: whether it runs, how its last start ended, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rackwright.causes.failure import Failure, Raised
from rackwright.causes.known import NOT_ENDED, Ending, explained
from rackwright.causes.lines import Written, clean
from rackwright.causes.log import failures, signal_name, signal_of_a_child
from rackwright.causes.table import Cause
from rackwright.remote.host.attempts import gave_up

TAIL_LINES = 12
NOT_READY = "not ready within "
"""What ``remote/await_ready.py`` says when the time is up."""
WAITS_FOR = "waits for "
"""What ``remote/gather.py`` says, again and again."""
KILLED_BY_KERNEL = "Killed process"


class State(Enum):
    """What systemd makes of a unit."""

    RUNS = "runs"
    RESTARTED = "runs, after failures"
    STARTS = "is starting"
    FAILS = "fails"
    GAVE_UP = "gave up"
    STOPPED = "is stopped"
    ABSENT = "is not on this host"


@dataclass(frozen=True)
class Account:
    """Why a unit does not run, for a person: see ``text`` and ``summary``.

    ``failure`` is the first error of the log of the start it tells of, ``known`` the one that a
    ``cause`` explains where that is another. ``tail`` is empty where an error was found.
    """

    state: State
    seen: str
    failure: Failure | None = None
    known: Raised | None = None
    cause: Cause | None = None
    ending: Ending = NOT_ENDED
    kernel: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    invocation: str = ""

    @property
    def summary(self) -> str:
        """Error and cause in one sentence."""
        told = str(self.failure.root) if self.failure else str(self.ending)
        named = self.cause.name if self.cause else "a cause that is not known"
        first = self.seen.partition(",")[0] if self.state is State.GAVE_UP else ""
        return ": ".join(filter(None, [first, told, named]))

    @property
    def remedy(self) -> str:
        """What to do; where the cause is not known, where to look."""
        return self.cause.remedy if self.cause else self._look

    @property
    def _look(self) -> str:
        return f"journalctl _SYSTEMD_INVOCATION_ID={self.invocation}" if self.invocation else ""

    def text(self) -> str:
        """All of it, a fact a line; empty where there is nothing to explain."""
        return "\n".join(f"  {line}" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        if self.failure:
            yield f"First error: {self.failure.root}"
            yield from _place(self.failure.root, self.failure.process)
        if self.known:
            yield f"It led to:   {self.known}"
            yield from _place(self.known, "")
        if str(self.ending):
            yield f"It ended:    {self.ending}"
        yield from (f"Kernel:      {line}" for line in self.kernel[:2])
        if self.cause:
            yield f"Cause:       {self.cause.name}. {self.cause.meaning}"
            yield f"Remedy:      {self.cause.remedy}"
        elif self.failure or str(self.ending):
            yield "Cause:       not one that is known"
        if self.tail:
            yield "No error is in its log, which ends:"
            yield from (f"  {line}" for line in self.tail)
        if self._look:
            yield f"Whole log:   {self._look}"


def _place(raised: Raised, process: str) -> Iterator[str]:
    by = f" ({process})" if process else ""
    if raised.frame:
        yield f"  raised at  {raised.frame}{by}"
    elif by:
        yield f"  said by    {process}"


def account(seen: Mapping[str, Any]) -> Account:
    """What to tell of what ``remote/starts.py`` saw of a unit."""
    shown = seen["state"]
    told, waits = gave_up(seen.get("attempts") or {}), _waits(shown, seen["starts"])
    state = State.STARTS if waits else _state(shown, seen["starts"], told)
    words = ": ".join(filter(None, [_words(state, shown, told), waits]))
    start = _start_to_explain(state, seen["starts"])
    if start is None:
        return Account(state, words)
    written = [Written(int(pid), str(text)) for pid, text in start["lines"]]
    others = {int(pid) for one in seen["starts"] if one is not start for pid, _ in one["lines"]}
    others -= {0, *(one.pid for one in written)}
    kernel = tuple(clean(line) for line in seen["kernel"] if not _names(line, others))
    ending = _ending(kernel, start, written)
    found = [one for one in failures(written) if one.certain or state is not State.STARTS]
    failure, known, cause = explained(found, ending, kernel)
    tail = () if failure else tuple(t for w in written[-3 * TAIL_LINES :] if (t := clean(w.text)))
    return Account(
        state, words, failure, known, cause, ending, kernel, tail[-TAIL_LINES:], start["invocation"]
    )


def error_of_the_newest(seen: Mapping[str, Any]) -> str:
    """The first error in the log of the newest start, also of one that serves; empty without one.

    Of what ended nothing only what was thrown counts: a log that goes on says "error" of much.
    """
    newest = next(iter(seen["starts"]), {"lines": ()})
    written = [Written(int(pid), str(text)) for pid, text in newest["lines"]]
    return next((str(one.root) for one in failures(written) if one.certain), "")


def _state(shown: Mapping[str, str], starts: Sequence[Mapping[str, Any]], gave_up: str) -> State:
    if shown.get("LoadState") != "loaded":
        return State.ABSENT
    restarts, active = int(shown.get("NRestarts") or 0), shown.get("ActiveState")
    if active in ("failed", "deactivating") and gave_up:
        return State.GAVE_UP
    if active in ("active", "reloading"):
        return State.RESTARTED if restarts else State.RUNS
    if active == "activating" and not restarts and not (starts and starts[0]["ended"]):
        return State.STARTS
    fails = active in ("activating", "failed") or _is_between_starts(shown)
    return State.FAILS if fails else State.STOPPED


def _is_between_starts(shown: Mapping[str, str]) -> bool:
    """Whether nobody stops it: it ends by itself, or is down until its restart begins.

    Who stops or restarts a unit has a job of it while that ends. The job that started it is there
    as well, of one that fails before it is ready; systemd's own restart once the unit is down.
    """
    job, active = shown.get("Job"), shown.get("ActiveState")
    ends = active == "deactivating" and job in (None, "", "start")
    return ends or (active == "inactive" and bool(job))


def _waits(shown: Mapping[str, str], starts: Sequence[Mapping[str, Any]]) -> str:
    """What a rank waits for before its engine is started; however the start before it ended."""
    if shown.get("SubState") != "start-pre" or not starts or starts[0]["ended"]:
        return ""
    last = clean(str(starts[0]["lines"][-1][1])) if starts[0]["lines"] else ""
    return last if last.startswith(WAITS_FOR) else ""


def _words(state: State, shown: Mapping[str, str], gave_up: str) -> str:
    restarts = shown.get("NRestarts") or "0"
    if state is State.ABSENT:
        return f"{state.value}: {shown.get('LoadState') or 'systemd did not answer'}"
    since = {State.RUNS: "ActiveEnterTimestamp", State.RESTARTED: "ActiveEnterTimestamp"}
    when = shown.get(since.get(state, "StateChangeTimestamp")) or "a time not told"
    return f"{gave_up or state.value}, {shown.get('SubState')} since {when}, {restarts} restarts"


def _start_to_explain(
    state: State, starts: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """The last start that failed; of one that still goes on, that one."""
    if state in (State.RUNS, State.ABSENT, State.STOPPED) or not starts:
        return None
    if state is State.STARTS:
        return starts[0]
    ended = [start for start in starts if start["ended"]]
    if not ended:
        return None if state is State.RESTARTED else starts[0]
    return ended[0]


def _names(line: str, pids: set[int]) -> bool:
    """Whether a kernel's line is about one of these processes: those of another start."""
    return not pids.isdisjoint(int(number) for number in re.findall(r"\b\d{1,10}\b", line))


def _ending(kernel: Sequence[str], start: Mapping[str, Any], written: list[Written]) -> Ending:
    result = start["result"]
    if not start["ready"] and any(one.text.startswith(NOT_READY) for one in written[-50:]):
        result = "timeout"
    if any(KILLED_BY_KERNEL in line for line in kernel):
        result = "oom-kill"
    killed = start["code"] in ("killed", "dumped")
    status = signal_name(start["status"]) if killed else start["status"]
    return Ending(start["code"], status, result, signal_of_a_child(written))
