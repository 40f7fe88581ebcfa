"""What was started, written down before it is, so that ``down`` ends that and nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lab.errors import LabError
from lab.gpu_host import RUN
from lab.record import start_time


@dataclass
class Host:
    """A host: its root folder, its control group, and its first process by pid and start time."""

    name: str
    root: str
    cgroup: str
    pid: int | None = None
    started: int | None = None

    def save(self) -> None:
        """Write it down; atomic, so that a crash leaves the old or the new."""
        RUN.mkdir(mode=0o755, exist_ok=True)
        fresh = _file(self.name).with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=1) + "\n")
        fresh.replace(_file(self.name))

    def forget(self) -> None:
        """Forget a host that is gone, and the folder of records with the last."""
        _file(self.name).unlink()
        log_file(self.name).unlink(missing_ok=True)
        if not any(RUN.iterdir()):
            RUN.rmdir()

    def is_up(self) -> bool:
        """Whether its first process is still the one with that pid."""
        return self.pid is not None and start_time(self.pid) == self.started


def load(name: str) -> Host | None:
    """The host of that name; None when nothing of it is up."""
    return Host(**json.loads(_file(name).read_text())) if _file(name).exists() else None


def running(name: str) -> Host:
    """The host of that name; LabError unless it is up."""
    host = load(name)
    if host is None or not host.is_up():
        raise LabError(f"{name} is not up" + ("" if host is None else ": it ended by itself"))
    return host


def names() -> list[str]:
    """The hosts that are, or were, up."""
    return sorted(path.stem for path in RUN.glob("*.json"))


def log_file(name: str) -> Path:
    """What a host's first process says before its journal runs."""
    return RUN / f"{name}.log"


def _file(name: str) -> Path:
    return RUN / f"{name}.json"
