"""Examples of known causes: logs of ``tests/data/causes`` with what is to be said of them."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "data/causes"


@dataclass(frozen=True)
class Sample:
    """A log, how it ended (``exit 1``, ``signal ILL``), and what it must be explained by.

    ``error`` is how the first error begins, ``frame`` where it was raised; empty for none.
    """

    name: str
    cause: str
    error: str
    frame: str
    ends: str
    provenance: str
    log: str
    kernel: str = ""

    @property
    def code(self) -> str:
        """As systemd has it."""
        return "exited" if self.ends.startswith("exit") else "killed"

    @property
    def status(self) -> str:
        """A number, of a signal too, as systemd has it in the journal."""
        status = self.ends.split()[1]
        return status if self.code == "exited" else str(int(signal.Signals[f"SIG{status}"]))

    def seen(self, **start: Any) -> dict[str, Any]:
        """What ``remote/starts.py`` would see of a unit that ended so, and tries again."""
        first = {
            "invocation": "fedc" * 8,
            "began_unix_s": 1.0,
            "ended_unix_s": 2.0,
            "ready": False,
            "ended": True,
            "code": self.code,
            "status": self.status,
            "result": "",
            "lines": [[0, line] for line in self.log.splitlines()],
        }
        state = {"LoadState": "loaded", "ActiveState": "activating", "SubState": "auto-restart"}
        kernel = [self.kernel] if self.kernel else []
        return {"state": state, "starts": [{**first, **start}], "kernel": kernel}


def sample(path: Path) -> Sample:
    """Read one: lines ``name: value``, an empty line, the log."""
    head, _, log = path.read_text().partition("\n\n")
    given = dict(line.split(":", 1) for line in head.splitlines())
    return Sample(name=path.stem, log=log, **{key: value.strip() for key, value in given.items()})


SAMPLES = {path.stem: sample(path) for path in sorted(FOLDER.glob("*.txt"))}
