"""The GPUs of this server: looked at, and the quarantine that a fault of one puts it in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rackwright.remote.guard import evidence, kept
from rackwright.remote.guard.bounded_command import left_in
from rackwright.remote.guard.gpu_faults import Codes, Fault, Gpu, of_log, of_nvml
from rackwright.remote.guard.kernel import KernelLog
from rackwright.remote.guard.nvml import DRIVER, Nvml

FORMAT = 1
NVML_EVERY_S = 30.0
HANGS_S = 30.0
"""After a process that asks the driver was killed: one that is still there then hangs in it."""

Values = dict[str, Any]
Say = Callable[[str], Any]


class ServerGpus:
    """Those that replicas run on. ``quarantine`` is why and since when; None without one."""

    def __init__(self, config: Values, folder: Path, say: Say) -> None:
        """``folder`` is the watchdog's own."""
        self.gpus = [Gpu(**gpu) for gpu in config["gpus"]]
        self.folder, self.nvml = folder, Nvml()
        self._say = say
        self._codes = Codes(config["fatal_xids"], config["fatal_by_text"])
        self._log = self._kernel_log()
        self._nvml_s = float("-inf")
        self._unwritten: Values | None = None
        self._hung = ""
        if self.gpus and DRIVER.left is None:
            DRIVER.left = left_in(config["unit"])
        self.quarantine = kept.quarantine_of(self.file)

    @property
    def file(self) -> Path:
        """Its being there is the quarantine."""
        return self.folder / "quarantine.json"

    def _kernel_log(self) -> KernelLog | None:
        try:
            return KernelLog(self.folder / "kernel_log.json") if self.gpus else None
        except OSError as error:
            self._say(f"the kernel's log cannot be read, its GPU errors are not seen: {error}")
            return None

    def look(self) -> None:
        """Once: what is new puts the server in quarantine, unless it is in one."""
        if self._unwritten:
            self._write(self._unwritten)
        if self.gpus:
            self._look()
        with suppress(OSError):  # a disk that fails: what was known holds
            self.quarantine = kept.quarantine_of(self.file) or self._unwritten

    def _look(self) -> None:
        lines = self._new_errors()
        faults = list(of_log(lines, self.gpus, self._codes))
        if answers := self.nvml.answered():
            faults += of_nvml(answers, self.gpus)
        self._say_whether_driver_hangs()
        if self.quarantine:
            self.nvml.begin_anew()
        if time.monotonic() - self._nvml_s >= NVML_EVERY_S:
            self._nvml_s = time.monotonic()
            self.nvml.ask()
        if faults and not self.quarantine:
            self.begin(faults, lines)
        if lines and self._log:
            self._log.note()

    def driver_hangs(self) -> str:
        """That the driver hangs, in words: who asks it cannot even be killed. Empty where not."""
        left, hangs_s = DRIVER.left, DRIVER.hangs_s()
        return f"the GPUs' driver hangs: {left.words()}" if left and hangs_s >= HANGS_S else ""

    def _say_whether_driver_hangs(self) -> None:
        words = self.driver_hangs()
        if words and not self._hung:
            self._say(f"{words}; of GPUs only the kernel's log is seen")
        elif self._hung and not words:
            self._say("the GPUs' driver answers again")
        self._hung = words

    def hang_together(self, replica: str, why: str) -> None:
        """A replica hangs while the driver does: no restart mends that, it is the GPUs."""
        uuids = tuple(gpu.uuid for gpu in self.gpus)
        if self._hung and not self.quarantine:
            self.begin([Fault(f"{self._hung}, and so does {replica}: {why}", uuids)], [])

    def _new_errors(self) -> list[str]:
        try:
            return self._log.new_errors() if self._log else []
        except OSError as error:
            self._say(f"the kernel's log cannot be read any more: {error}")
            self._log = None
            return []

    def begin(self, faults: list[Fault], lines: list[str]) -> None:
        """Put the server in quarantine, and keep evidence of why."""
        why = "; ".join(fault.why for fault in faults)
        gpus = list(dict.fromkeys(uuid for fault in faults for uuid in fault.gpus))
        folder = self.folder / "evidence"
        self._say(f"quarantine: {why}")
        noted = {"format": FORMAT, "why": why, "since": time.time(), "by": "watchdog", "gpus": gpus}
        self._write({**noted, "evidence": str(folder)})
        arguments = (folder, why, lines)
        threading.Thread(target=evidence.of_server, args=arguments, daemon=True).start()

    def _write(self, noted: Values) -> None:
        """It holds from now on, also while the disk is full."""
        self._unwritten = noted
        try:
            kept.write_first(self.file, noted)
            self._unwritten = None
        except OSError as error:
            self._say(f"{self.file}: {error}")
