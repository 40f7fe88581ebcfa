"""Who takes a step: a run of this project, known by its user, machine and process."""

from __future__ import annotations

import getpass
import hashlib
import os
import secrets
import socket
import uuid
from pathlib import Path

MOST_CHARACTERS = 100
"""As much as a gateway keeps."""


BOOT = Path("/proc/sys/kernel/random/boot_id")
PROCESSES = Path("/proc/self/ns/pid")


def new_owner() -> str:
    """``user@machine/pid/random``: no other run has this name."""
    end = f"@{socket.gethostname()[:40]}/{os.getpid()}/{_where()}{secrets.token_hex(3)}"
    return f"{_user()[: MOST_CHARACTERS - len(end)]}{end}"


def _where() -> str:
    """Among which processes this one is: many machines, and many containers, have one name."""
    try:
        booted, processes = BOOT.read_text(), str(PROCESSES.readlink())
    except OSError:  # not Linux
        booted, processes = str(uuid.getnode()), ""
    return hashlib.sha256(f"{booted} {processes}".encode()).hexdigest()[:8]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def is_dead(owner: str) -> bool:
    """Whether it was a run on this very machine that has ended: its step and turn are free.

    Of another machine's runs nobody here can say, nor of those before this one was booted.
    """
    _, at, place = owner.rpartition("@")
    machine, _, rest = place.partition("/")
    pid, _, run = rest.partition("/")
    if not at or machine != socket.gethostname()[:40] or not run.startswith(_where()):
        return False
    return pid.isdecimal() and not _is_there(int(pid))


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # somebody else's
        return True
    return True
