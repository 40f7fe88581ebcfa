"""What is told of a unit: whether it runs, how its last start ended, and why."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from rackwright.causes.failure import Failure, Raised
from rackwright.causes.lines import Written, clean
from rackwright.causes.log import failures, signal_of_a_child
from rackwright.causes.table import CAUSES, Cause

TAIL_LINES = 12
NOT_READY = "not ready within "
"""What ``runner/remote/await_ready.py`` says when the time is up."""
KILLED_BY_KERNEL = "Killed process"
_KILLED = {"2": "killed", "3": "dumped"}


class State(Enum):
    """What systemd makes of a unit."""

    RUNS = "runs"
    RESTARTED = "runs, after failures"
    STARTS = "is starting"
    FAILS = "fails"
    STOPPED = "is stopped"
    ABSENT = "is not on this host"


@dataclass(frozen=True)
class Ending:
    """How a start ended: ``code`` and ``status`` of its main process (``killed``, ``ILL``)."""

    code: str = ""
    status: str = ""
    result: str = ""
    child: str = ""

    @property
    def signal(self) -> str:
        """The signal that ended the engine or a process of it; empty for none, and for TERM."""
        own = self.status if self.code in ("killed", "dumped") else ""
        return self.child if own in ("", "TERM") else own

    def __str__(self) -> str:
        """In words; empty where nothing ended."""
        words = []
        if self.child:
            words.append(f"a process of it was killed by signal {self.child}")
        if self.code == "exited":
            words.append(f"exit code {self.status}")
        elif self.code:
            words.append(f"killed by signal {self.status}")
        if self.result not in ("", "success", "exit-code", "signal", "core-dump"):
            words.append(f"systemd says {self.result}")
        return ", ".join(words)


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
    ending: Ending = Ending()
    kernel: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    invocation: str = ""

    @property
    def summary(self) -> str:
        """Error and cause in one sentence."""
        told = str(self.failure.root) if self.failure else str(self.ending)
        named = self.cause.name if self.cause else "a cause that is not known"
        return f"{told}: {named}" if told else named

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
    """What to tell of what ``runner/remote/starts.py`` saw of a unit."""
    shown = seen["state"]
    state = _state(shown, seen["starts"])
    words = _words(state, shown)
    start = _start_to_explain(state, seen["starts"])
    if start is None:
        return Account(state, words)
    written = [Written(int(pid), str(text)) for pid, text in start["lines"]]
    ending = _ending(seen, start, written)
    kernel = tuple(clean(line) for line in seen["kernel"])
    found = [one for one in failures(written) if one.certain or state is not State.STARTS]
    failure, known, cause = _explained(found, ending, kernel)
    tail = () if failure else tuple(t for w in written[-3 * TAIL_LINES :] if (t := clean(w.text)))
    return Account(
        state, words, failure, known, cause, ending, kernel, tail[-TAIL_LINES:], start["invocation"]
    )


def _state(shown: Mapping[str, str], starts: Sequence[Mapping[str, Any]]) -> State:
    if shown.get("LoadState") != "loaded":
        return State.ABSENT
    restarts, active = int(shown.get("NRestarts") or 0), shown.get("ActiveState")
    if active in ("active", "reloading"):
        return State.RESTARTED if restarts else State.RUNS
    if active == "activating" and not restarts and not (starts and starts[0]["ended"]):
        return State.STARTS
    return State.FAILS if active in ("activating", "failed") else State.STOPPED


def _words(state: State, shown: Mapping[str, str]) -> str:
    restarts = shown.get("NRestarts") or "0"
    if state is State.ABSENT:
        return f"{state.value}: {shown.get('LoadState') or 'systemd did not answer'}"
    since = {State.RUNS: "ActiveEnterTimestamp", State.RESTARTED: "ActiveEnterTimestamp"}
    when = shown.get(since.get(state, "StateChangeTimestamp")) or "a time not told"
    return f"{state.value}, {shown.get('SubState')} since {when}, {restarts} restarts"


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


def _ending(seen: Mapping[str, Any], start: Mapping[str, Any], written: list[Written]) -> Ending:
    shown = seen["state"]
    code, status, result = start["code"], start["status"], start["result"]
    if start["ended"] and not code and start["invocation"] == shown.get("InvocationID"):
        number = shown.get("ExecMainStatus", "")
        code = _KILLED.get(shown.get("ExecMainCode", ""), "exited" if number else "")
        status = number if code in ("", "exited") else _signal_name(number)
    if not start["ready"] and any(one.text.startswith(NOT_READY) for one in written[-50:]):
        result = "timeout"
    if any(KILLED_BY_KERNEL in line for line in seen["kernel"]):
        result = "oom-kill"
    return Ending(code, status, result, signal_of_a_child(written))


def _signal_name(number: str) -> str:
    try:
        return signal.Signals(int(number)).name.removeprefix("SIG")
    except ValueError:
        return number


def _explained(
    found: Sequence[Failure], ending: Ending, kernel: Sequence[str]
) -> tuple[Failure | None, Raised | None, Cause | None]:
    """The first error, the one that the cause explains where it is another, and the cause."""
    first = found[0] if found else None
    raised, cause = _known(found, ending, kernel)
    if cause is None and first:
        raised = first.chain[-1]
    return first, None if first and raised is first.root else raised, cause


def _known(
    found: Sequence[Failure], ending: Ending, kernel: Sequence[str]
) -> tuple[Raised | None, Cause | None]:
    """What the log tells counts before how it ended; what merely follows, after both."""
    if ending.result == "oom-kill":
        return None, _by_end(ending)
    told = [raised for one in found if not one.follows for raised in one.chain]
    after = [raised for one in found if one.follows for raised in one.chain]
    raised, cause = _by_words(told)
    if cause is None:
        cause = _by_words([Raised("", line) for line in kernel])[1] or _by_end(ending)
    return (raised, cause) if cause else _by_words(after)


def _by_words(several: Sequence[Raised]) -> tuple[Raised | None, Cause | None]:
    for raised in several:
        for cause in CAUSES:
            if cause.explains(raised):
                return raised, cause
    return None, None


def _by_end(ending: Ending) -> Cause | None:
    """By what systemd says of the end, by the signal, by the exit code, in this order."""
    status = ending.status if ending.code == "exited" else ""
    for cause in CAUSES:
        if ending.result in cause.results:
            return cause
    for cause in CAUSES:
        if ending.signal in cause.signals or status in cause.statuses:
            return cause
    return None
