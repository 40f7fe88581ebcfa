"""A block under constant load: ``tests/lab/constant_load.py`` asks while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lab.ask import NAME, trusted_certificate
from lab.fleet import ROOT, host_named
from tests.samples.commands import PATIENCE_S
from tests.samples.load_records import Record


@dataclass
class Result:
    """What became of the load, once the block is over."""

    summary: dict[str, Any] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    @property
    def lost(self) -> list[str]:
        """Each request that failed: what, from when to when (UTC), by whom, and why."""
        return [
            f"{one.kind} {_clock(one.start)} to {_clock(one.end)} {one.replica}: {one.fault}"
            for one in self.records
            if not one.is_well
        ]

    def words(self, what: str) -> str:
        """A line for whoever reads the test's output."""
        of = self.summary
        return (
            f"{what}: {of['completed']} requests completed, {of['failed']} failed "
            f"({of['requests']}), longest gap {of['longest_gap_s']} s in {of['seconds']:.0f} s, "
            f"latency {of['latency_s']}, by {of['replicas']}"
        )


def _clock(since_1970_s: float) -> str:
    return datetime.fromtimestamp(since_1970_s, UTC).strftime("%H:%M:%S.%f")


@dataclass(frozen=True)
class Door:
    """A gateway: what clients ask, where it is, and the certificate that they trust (PEM)."""

    url: str
    address: str
    certificate: str


@contextmanager
def asked_at(
    door: Door, folder: Path, model: str, *words: str, key: str = "none"
) -> Iterator[Result]:
    """The block runs from the first whole answer on; ``words`` are options of the program."""
    certificate, out, records = (folder / one for one in ("gateway.crt", "load.json", "records"))
    certificate.write_text(door.certificate)
    argv = [sys.executable, "-m", "tests.lab.constant_load", "--url", door.url,
            "--address", door.address, "--certificate", str(certificate),
            "--model", model, "--out", str(out), "--records", str(records), *words]  # fmt: skip
    result = Result()
    own = {**os.environ, "OPENAI_API_KEY": key}
    with subprocess.Popen(argv, cwd=ROOT, env=own, stdout=subprocess.PIPE, text=True) as asking:
        assert asking.stdout is not None
        try:
            assert asking.stdout.readline(), "the load ended before its first answer"
            yield result
        finally:
            asking.send_signal(signal.SIGTERM)
            code = asking.wait(PATIENCE_S)
    assert code == 0, code
    result.summary = json.loads(out.read_text())
    result.records = [Record(**json.loads(line)) for line in records.read_text().splitlines()]


@contextmanager
def under_load(
    folder: Path,
    model: str,
    *words: str,
    gateway: str = "gw1",
    name: str = NAME,
    key: str = "none",
) -> Iterator[Result]:
    """A gateway of the lab is asked while the block runs; see ``asked_at``."""
    door = Door(f"https://{name}", host_named(gateway).address, trusted_certificate(gateway))
    with asked_at(door, folder, model, *words, key=key) as result:
        yield result
