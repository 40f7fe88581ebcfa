"""What is known of a failure: its cause, by what the log says and by how the process ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rackwright.causes.failure import Failure, Raised
from rackwright.causes.table import CAUSES, Cause


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


NOT_ENDED = Ending()


def explained(
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
