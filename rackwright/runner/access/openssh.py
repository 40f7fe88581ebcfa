"""What `ssh -G` says of hosts: those that are connected to at the same time ask in few processes.

To start one from a program of this size takes it 4 ms each, and nothing else goes on meanwhile.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence

import gevent
from gevent.event import Event
from gevent.pool import Pool

from rackwright.errors import HostError

Argv = tuple[str, ...]
ENDED = "rackwright-ended"
"""Printed after each answer, with its exit status: no keyword of ssh's."""
AT_ONCE = os.cpu_count() or 1


class _Asking:
    """Hosts whose question was not asked yet, and the answers once they are there."""

    def __init__(self) -> None:
        self.wanted: dict[Argv, None] = {}
        self.answers: dict[Argv, str] = {}
        self.begun, self._ended = False, Event()

    def answer(self, argv: Argv) -> str | None:
        """Whoever is here first asks for all; None where ssh refuses, or one is asked alone."""
        if self.begun:
            self._ended.wait()
        else:
            self.begun = True
            try:
                self._ask()
            finally:
                self._ended.set()
        return self.answers.get(argv)

    def _ask(self) -> None:
        wanted = list(self.wanted)
        if len(wanted) == 1:
            return
        shares = [share for n in range(AT_ONCE) if (share := wanted[n::AT_ONCE])]
        for said in Pool().imap_unordered(_asked, shares):
            self.answers |= said


_next = _Asking()


def answer(argv: Sequence[str]) -> str:
    """What `ssh -G ...` prints. Raises HostError in ssh's words where it refuses that."""
    global _next
    asking, own = _next, tuple(argv)
    asking.wanted[own] = None
    gevent.sleep(0)  # for all others that are about to ask
    if asking is _next:
        _next = _Asking()
    said = asking.answer(own)
    return _alone(own) if said is None else said


def _asked(many: Sequence[Argv]) -> dict[Argv, str]:
    """The answers of those that ssh does not refuse."""
    lines = [f"{shlex.join(argv)} 2>/dev/null; echo {ENDED} $?" for argv in many]
    try:
        said = _run(("sh", "-c", "\n".join(lines))).stdout
    except HostError:
        return {}
    parts = f"\n{said}".split(f"\n{ENDED} ")
    found = {}
    for argv, text, after in zip(many, parts, parts[1:], strict=False):
        if after.partition("\n")[0] == "0":
            found[argv] = text.partition("\n")[2] + "\n"
    return found


def _alone(argv: Argv) -> str:
    done = _run(argv)
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["no words"]
        raise HostError(f"`{shlex.join(argv)}` says: {words[-1]}")
    return done.stdout


def _run(argv: Argv) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise HostError(f"OpenSSH's client is needed: {error}") from None
