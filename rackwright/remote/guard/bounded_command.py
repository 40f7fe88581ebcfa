"""Commands that may hang in a driver, where not even SIGKILL ends them: one is left, never more.

Who is killed in an uninterruptible sleep is gone when that ends, if it ever does. Nobody waits for
it here, and while it is there no other is started.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired

from rackwright.remote.host.processes import all_pids, cgroups_of

END_S = 5.0
"""For one to be gone that was killed."""


class CannotEnd(OSError):
    """One is there that cannot be ended; the words say which, and since when."""


class Left:
    """A process that was killed and is still there."""

    def __init__(self, pid: int, process: subprocess.Popen[bytes] | None = None) -> None:
        """``process`` is there for a child of ours, which is to be reaped."""
        self.pid, self._process = pid, process
        self._group = _groups_of(pid)
        self.since_s = time.monotonic()

    def is_there(self) -> bool:
        """Whether it still is; no other that has its number by now."""
        if self._process is not None:
            return self._process.poll() is None
        return bool(self._group) and _groups_of(self.pid) == self._group

    def words(self) -> str:
        """Which, and since when."""
        seconds = time.monotonic() - self.since_s
        return f"process {self.pid} hangs and cannot be ended for {seconds:.0f} s"


class BoundedCommand:
    """One command at a time. ``left`` is one that could not be ended."""

    def __init__(self) -> None:
        """Nothing runs."""
        self.left: Left | None = None
        self._running = threading.Lock()

    def hangs_s(self) -> float:
        """For how long one is there that cannot be ended; 0 without one."""
        left = self.left
        return time.monotonic() - left.since_s if left is not None and left.is_there() else 0.0

    def output(self, argv: Sequence[str], limit_s: float, stderr: int = STDOUT) -> bytes:
        """What it prints, with its complaints unless they go elsewhere.

        Raises TimeoutExpired where it was not done in time and is gone, or another runs so long;
        CannotEnd where it is not gone, or one is still there; OSError where it does not start.
        """
        if not self._running.acquire(timeout=limit_s):
            raise TimeoutExpired(argv, limit_s)
        try:
            if self.left is not None and self.left.is_there():
                raise CannotEnd(self.left.words())
            self.left = None
            return self._output(argv, limit_s, stderr)
        finally:
            self._running.release()

    def _output(self, argv: Sequence[str], limit_s: float, stderr: int) -> bytes:
        process = subprocess.Popen(
            argv, stdin=DEVNULL, stdout=PIPE, stderr=stderr, start_new_session=True
        )
        try:
            return process.communicate(timeout=limit_s)[0]
        except TimeoutExpired:
            if not _ended(process):
                self.left = Left(process.pid, process)
                raise CannotEnd(self.left.words()) from None
            raise
        finally:
            assert process.stdout
            process.stdout.close()


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Killed with all that it started; whether it is gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutExpired):
        process.wait(END_S)
    return process.returncode is not None


def left_in(unit: str) -> Left | None:
    """One that an earlier start of this unit has left in its control group; None without one."""
    own = _groups_of(os.getpid())
    if not any(group.endswith(f"/{unit}") for group in own):
        return None
    others = (pid for pid in all_pids() if pid != os.getpid() and _groups_of(pid) == own)
    return next((Left(pid) for pid in others), None)


def _groups_of(pid: int) -> list[str]:
    try:
        return cgroups_of(pid)
    except OSError:
        return []
