"""A script as a host runs it: by a Python that has nothing of the project."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from rackwright.runner.travelling import loader, message

OWN = (sys.executable, "-I", "-S")
"""Without what is installed beside this Python."""


def run(script: str, *arguments: Any, python: tuple[str, ...] = OWN, **options: Any) -> Any:
    """The process after its end; its output is the script's reply, as the host would give it."""
    usual = {"capture_output": True, "text": True, "check": True, "timeout": 120}
    argv = [*python, "-c", loader()]
    return subprocess.run(argv, input=message(script, *arguments), **{**usual, **options})
