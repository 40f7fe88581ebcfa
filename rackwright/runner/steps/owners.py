"""Who takes a step: a run of this project, known by its user, machine and process."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

MOST_CHARACTERS = 100
"""As much as a gateway keeps."""


def new_owner() -> str:
    """``user@machine/pid/random``: no other run has this name."""
    random = secrets.token_hex(3)
    end = f"@{socket.gethostname()[:40]}/{os.getpid()}/{random}"
    return f"{_user()[: MOST_CHARACTERS - len(end)]}{end}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_dead(owner: str) -> bool:
    """Whether it was a run on this very machine that has ended: its step is ours to go on with.

    Of another machine's runs nobody here can say.
    """
    _, at, place = owner.rpartition("@")
    machine, _, rest = place.partition("/")
    pid = rest.partition("/")[0]
    if not at or machine != socket.gethostname()[:40] or not pid.isdecimal():
        return False
    return not Path(f"/proc/{pid}").exists()


def successor(mark: Mapping[str, Any], own: str) -> str:
    """By which name a step is gone on with: that of the dead run that left it, else one's own.

    With its name come the turns that gateways still keep for it.
    """
    left = mark.get("owner")
    return left if isinstance(left, str) and is_dead(left) else own
