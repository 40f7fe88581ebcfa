"""Passwords that the operator is asked for at the terminal: once a run, kept in memory alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from getpass import getpass
from pathlib import Path

from rackwright.errors import HostError

SUDO_PASSWORD = "RACKWRIGHT_SUDO_PASSWORD"
"""The variable of the environment that is read before anybody is asked."""
_asked: dict[str, str] = {}


def sudo_password(given: str | None, may_ask: Callable[[], object] = bool) -> str:
    """That of host data (``_sudo_password``), of the environment, or of the terminal.

    Nobody is asked before ``may_ask`` returns. Raises HostError where there is none, or one that
    cannot be a password.
    """
    hint = f"set {SUDO_PASSWORD}, or allow the user sudo without one (NOPASSWD)"
    found = given or os.environ.get(SUDO_PASSWORD) or _ask("sudo password: ", hint, may_ask)
    if any(sign in found for sign in "\n\r\0"):
        raise HostError("the sudo password has a line end in it: it must be one line")
    return found


def passphrase(key_file: str, may_ask: Callable[[], object] = bool) -> str:
    """Of an encrypted key that no agent holds. Raises HostError where nobody can be asked."""
    hint = "load the key into an agent (ssh-add), or run this where it can be asked for"
    return _ask(f"passphrase of {key_file}: ", hint, may_ask)


def _ask(prompt: str, hint: str, may_ask: Callable[[], object]) -> str:
    """The answer, asked for once; hosts that come meanwhile have it from here."""
    may_ask()
    if prompt not in _asked:
        if not _has_terminal():
            what = prompt.removesuffix(": ")
            raise HostError(f"needs the {what}, and there is no terminal: {hint}")
        _asked[prompt] = getpass(prompt)
    return _asked[prompt]


def _has_terminal() -> bool:
    try:
        Path("/dev/tty").open().close()
    except OSError:
        return False
    return True
