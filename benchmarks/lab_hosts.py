"""Hosts of the lab for a benchmark alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lab.errors import LabError
from lab.fleet import ROOT, LabHost
from lab.record import load


@contextmanager
def fresh(hosts: Sequence[LabHost]) -> Iterator[Sequence[LabHost]]:
    """These hosts, fresh, and taken away again; refused when somebody has them."""
    names = [host.name for host in hosts]
    record = load()
    if record and (taken := [name for name in names if name in record.containers]):
        used = " ".join(taken)
        raise LabError(f'{used} are in use; once they are not: make lab-down HOSTS="{used}"')
    try:
        _lab("up", names)
        yield hosts
    finally:
        _lab("down", names)


def _lab(verb: str, names: Sequence[str]) -> None:
    argv = [sys.executable, "-m", "lab", verb, *names]
    if subprocess.run(argv, cwd=ROOT, stdout=sys.stderr).returncode != 0:
        raise LabError(f"`python -m lab {verb}` failed, see above")
