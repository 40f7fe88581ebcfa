"""The operator's keys: those that an agent holds, and those that want a passphrase."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from paramiko import Agent, AgentKey, PKey, SSHException


def agents_key(identities: Sequence[str], agent: str | None) -> AgentKey | None:
    """The first of these keys that the agent holds, so that it is offered before all others.

    A host hangs up after some six keys, and an agent may hold more. ``agent`` is the socket that
    ssh_config names, empty where it wants none; else that of the environment.
    """
    if (
        agent is not None
    ):  # paramiko knows that of the environment alone; pyinfra sets it while it connects
        return None
    held = {key.get_base64(): key for key in _held()}
    return next((held[text] for text in map(_public, identities) if text in held), None)


def _held() -> Sequence[AgentKey]:
    try:
        return Agent().get_keys() if os.environ.get("SSH_AUTH_SOCK") else ()
    except (SSHException, OSError):
        return ()


def _public(identity: str) -> str:
    try:
        return Path(f"{identity}.pub").read_text().split()[1]
    except (OSError, ValueError, IndexError):
        return ""


def encrypted(identities: Sequence[str]) -> str | None:
    """The first of these keys that wants a passphrase."""
    return next((name for name in identities if _wants_passphrase(name)), None)


def _wants_passphrase(identity: str) -> bool:
    argv = ["ssh-keygen", "-y", "-P", "", "-f", identity]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode != 0 and "incorrect passphrase" in done.stderr


def opens(identity: str, passphrase: str) -> bool:
    """Whether a passphrase is that of a key, or the key wants none."""
    try:
        PKey.from_path(Path(identity).expanduser(), passphrase.encode())
    except TypeError:  # it is not encrypted
        return True
    except (SSHException, ValueError, OSError):
        return False
    return True
