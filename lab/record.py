"""What the lab made and has to take away again, written down before it is made.

The record lives in /run, so one lab runs on a machine at a time, and any clone can tell who has it.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.errors import LabError
from lab.fleet import ROOT, RUN

FILE = RUN / "lab.json"


@dataclass
class Container:
    """A host that was started: its nspawn process (pid and start time) and its folder."""

    name: str
    directory: str
    pid: int | None = None
    started: int | None = None


@dataclass
class Record:
    """Everything that is up, and what this machine's settings were before (lab/sysctls.py)."""

    owner: str
    containers: dict[str, Container] = field(default_factory=dict)
    sysctls: dict[str, str] = field(default_factory=dict)

    def save(self) -> None:
        """Write the record; atomic, so that a crash leaves the old or the new one."""
        RUN.mkdir(mode=0o755, exist_ok=True)
        fresh = FILE.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=1))
        fresh.replace(FILE)


def load() -> Record | None:
    """The record of a lab that is, or was, up; None when there is none."""
    if not FILE.exists():
        return None
    raw = json.loads(FILE.read_text())
    containers = {name: Container(**entry) for name, entry in raw.pop("containers").items()}
    if before := raw.pop("ip_forward", None):  # a lab that an older version has up
        raw["sysctls"] = {"net/ipv4/ip_forward": before}
    return Record(containers=containers, **raw)


@contextmanager
def locked(*, anyones: bool = False) -> Iterator[Record]:
    """Hold the lab alone, with its record; not another folder's, unless it may be ``anyones``."""
    RUN.mkdir(mode=0o755, exist_ok=True)
    with (RUN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        record = load() or Record(owner=str(ROOT))
        others = record.owner != str(ROOT) and Path(record.owner).exists()
        if others and not anyones:
            raise LabError(f"the lab is up from {record.owner}: run `make lab-down` there first")
        record.owner = str(ROOT)
        yield record


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot (proc(5), field 22).

    None when it is gone, or dead and waiting for its parent to notice.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])
