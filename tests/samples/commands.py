"""Programs of this project, run as an operator runs them; and programs that are stood in for."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from lab.fleet import ROOT

BIN = Path(sys.executable).parent
# Bounds that tell a hang from two busy cores: several times what those need.
PATIENCE_S = 600
DEPLOY_PATIENCE_S = 1800
Command = Callable[[str, str], Path]
"""The fixture ``command``: ``command(name, script)`` puts a script in front of all on PATH."""


def run(*argv: str) -> subprocess.CompletedProcess[str]:
    """Bounded well below an SSH time-out: the hosts named cannot be reached."""
    return subprocess.run(
        [str(BIN / argv[0]), *argv[1:]], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def start_rackwright(*words: str) -> subprocess.Popen[str]:
    """A verb on hosts that are there; for tests that cut it off."""
    argv = [str(BIN / "rackwright"), *words]
    return subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def rackwright(*words: str) -> subprocess.CompletedProcess[str]:
    """A verb on hosts that are there."""
    argv = [str(BIN / "rackwright"), *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
