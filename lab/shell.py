"""Running this machine's own commands, with their words shown when they fail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError


def sh(*argv: str, stdin: str | None = None, cwd: Path | None = None) -> str:
    """Run a command and return its output; LabError with its own words when it fails."""
    done = subprocess.run(argv, input=stdin, text=True, capture_output=True, cwd=cwd)
    if done.returncode != 0:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise LabError(f"`{' '.join(argv)}` failed with exit code {done.returncode}: {words}")
    return done.stdout


def say(text: str) -> None:
    """One line of progress, at once."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Say what is being done, and how long it took."""
    started = time.monotonic()
    print(f"  {text} ...", end="", file=sys.stderr, flush=True)
    yield
    print(f" {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
