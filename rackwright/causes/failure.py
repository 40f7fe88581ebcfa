"""An error as a log tells it: what was raised, where, and what it led to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

SHOWN_CHARACTERS = 420

_PACKAGES = re.compile(r"^.*/(?:site|dist)-packages/|^.*/lib/python\d\.\d{1,2}/")
_FOLLOWERS = re.compile(
    r"See (?:root cause above|stack trace for root cause)|Failed (?:core|frontend) proc"
    r"|EngineDeadError|EngineCore (?:failed to start|encountered)|WorkerProc (?:failed|hit|init)"
    r"|Executor failed|died unexpectedly|(?:hit|encountered) an? (?:exception|fatal error)"
    r"|remote process exited|Connection (?:closed|reset) by (?:remote )?peer"
    r"|is dead\. Please check|Application startup failed|unhandled errors in a TaskGroup"
    r"|^(?:\w+\.)*(?:SystemExit|KeyboardInterrupt|CancelledError|BrokenPipeError|EOFError)\b"
    r"|[Ss]hutting down|main: exiting due to|[Rr]eceived sigquit"
)
"""What a process says because another failed: vLLM, SGLang, PyTorch, llama.cpp. Never a cause."""


class Frame(NamedTuple):
    """A place in a program: a file (of a package, from that on), a line, a function."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        """As a person would write it."""
        within = f" in {self.function}" if self.function else ""
        return f"{_PACKAGES.sub('', self.file)}:{self.line}{within}"


@dataclass(frozen=True)
class Raised:
    """One exception or error: its class (empty where it has none), words, and who raised it.

    ``functions`` are those that called one another down to there, with their files.
    """

    kind: str
    message: str
    frame: Frame | None = None
    functions: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Class and message in full, as patterns are matched with."""
        return f"{self.kind}: {self.message}".strip(": ") if self.kind else self.message

    def __str__(self) -> str:
        """Class and the beginning of the message, on one line."""
        line = " ".join(self.words.split())
        return line if len(line) <= SHOWN_CHARACTERS else f"{line[: SHOWN_CHARACTERS - 1]}…"


@dataclass(frozen=True)
class Failure:
    """An error and those it led to, the root first; ``at`` counts lines of the log.

    ``certain`` for one that ends a process or was thrown; a mere line that says error is not.
    """

    at: int
    process: str
    chain: tuple[Raised, ...]
    certain: bool

    @property
    def follows(self) -> bool:
        """Whether it only says that another process failed."""
        return any(_FOLLOWERS.search(raised.words) for raised in self.chain)

    @property
    def root(self) -> Raised:
        """What was raised first."""
        return self.chain[0]
