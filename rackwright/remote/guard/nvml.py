"""NVML, asked in a process of its own: a driver that hangs must not hang the watchdog."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from typing import Any

from rackwright.remote.guard.bounded_command import BoundedCommand
from rackwright.remote.guard.gpu_faults import Answer, Answers
from rackwright.remote.nvidia import answers
from rackwright.remote.nvidia.questions import ask
from rackwright.remote.nvidia.session import handles, started
from rackwright.remote.reader import Reader

WORD = "gpus"
LIMIT_S = 25.0
QUESTIONS = {
    "uuid": ask("UUID"),
    "uncorrected": ask("TotalEccErrors", 1, 0),
    "rows": ask("RemappedRows", then=answers.rows),
}

Values = dict[str, Any]


def asked_here() -> Values:
    """What NVML says of each GPU that it has, by UUID; ``error`` where it does not start."""
    reader, found = Reader(), {}
    try:
        with started() as nvml:
            for handle in handles(reader, nvml):
                one = reader.fill("gpu", QUESTIONS, nvml, handle) if handle is not None else {}
                if one.get("uuid"):
                    failed = bool((one["rows"] or {}).get("failure"))
                    found[one["uuid"]] = {
                        "uncorrected": one["uncorrected"],
                        "remapping_failed": failed,
                    }
    except Exception as error:
        return {"gpus": {}, "error": f"{type(error).__name__}: {error}"}
    return {"gpus": found, "error": ""}


DRIVER = BoundedCommand()
"""Whatever asks the GPUs' driver: nvidia-smi too."""


def asked_apart() -> Answer:
    """The same by another process of this program, which is given up when it hangs."""
    argv = [sys.executable, "-IB", sys.argv[0], WORD]
    try:
        said = json.loads(DRIVER.output(argv, LIMIT_S, subprocess.DEVNULL))
        return Answer(said["gpus"], said["error"])
    except (OSError, subprocess.TimeoutExpired, ValueError, LookupError, TypeError) as error:
        return Answer({}, f"{type(error).__name__}: {error}"[:200])


class Nvml:
    """Its last answers."""

    def __init__(self) -> None:
        """None yet."""
        self._before: Answer | None = None
        self._answer: Answer | None = None
        self._first: Answer | None = None
        self._is_new = False
        self._asking = threading.Lock()

    def answered(self) -> Answers | None:
        """Those to be judged, once; None where none came since."""
        new, self._is_new = self._is_new, False
        if not new or self._answer is None or self._before is None or self._first is None:
            return None
        return Answers(self._answer, self._before, self._first)

    def begin_anew(self) -> None:
        """What was said until now is known: errors count from the next answer on."""
        self._first = None

    def ask(self) -> None:
        """In a thread of its own, unless it is being asked."""
        if self._asking.acquire(blocking=False):
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        try:
            answer = asked_apart()
            self._before, self._answer = self._answer, answer
            if self._first is None or self._first.error:
                self._first = answer
            self._is_new = True
        finally:
            self._asking.release()
