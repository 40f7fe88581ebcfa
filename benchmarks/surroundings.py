"""What programs that are timed find in their environment: what a person's shell has."""

from __future__ import annotations

import os

UNUSUAL = ("PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE", "PYTHONPROFILEIMPORTTIME")
"""With the first a checkout's own Python is compiled anew at each run: a tenth of a second."""


def environment(**more: str) -> dict[str, str]:
    """This process's own, without what changes how long Python takes to start, and ``more``."""
    return {**{key: value for key, value in os.environ.items() if key not in UNUSUAL}, **more}
