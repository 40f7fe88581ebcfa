"""sudo as hosts ask for it: with a password or none, with a terminal or none.

The password goes to sudo's standard input, before what the command is to read there: on a command
line or in the environment it would be seen in the host's list of processes, in a file by whoever
may read that. So it has to be known whether sudo reads it, which each host is asked once.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

from rackwright.errors import HostError

NEEDS_TERMINAL = "you must have a tty"
NEEDS_PASSWORD = ("a password is required", "authentication is required")
"""Of sudo, and of its successor in Rust."""
DOES_NOTHING = "sh -c true"
ARGUMENTS = (
    "_sudo",
    "_sudo_user",
    "_sudo_password",
    "_sudo_askpass_path",
    "_use_sudo_login",
    "_preserve_sudo_env",
)
"""What pyinfra says of sudo."""


@dataclass(frozen=True)
class Way:
    """How sudo is called on a host. A ``password`` is what it reads from standard input first."""

    password: str | None = None
    terminal: bool = False

    @property
    def standard_input(self) -> bytes:
        """What sudo reads before the command does."""
        return b"" if self.password is None else f"{self.password}\n".encode()

    def __repr__(self) -> str:
        """Without the password."""
        return f"Way(password={self.password and '...'}, terminal={self.terminal})"


def line(command: str, way: Way, arguments: Mapping[str, Any]) -> str:
    """A command of sh, as another user. ``arguments`` are pyinfra's (``_sudo_user`` and its kin).

    ``-k`` has sudo forget that it was asked a minute ago: it reads the password each time or never.
    """
    words = ["sudo", "-H", "-k", *(["-n"] if way.password is None else ["-S", "-p", ""])]
    if arguments.get("_use_sudo_login"):
        words.append("-i")
    if arguments.get("_preserve_sudo_env"):
        words.append("-E")
    if user := arguments.get("_sudo_user"):
        words += ["-u", user]
    if way.terminal:
        words = ["python3", "-I", "-c", _terminal(), *words]
    return f"{shlex.join(words)} {command}"


def _terminal() -> str:
    return files("rackwright.remote").joinpath("terminal.py").read_text()


def find_way(
    refusal: Callable[[Way], str],
    password: Callable[[], str],
) -> Way:
    """How sudo is to be called, found by calling it.

    ``refusal`` calls it once and returns what it said, nothing where it did as it was told;
    ``password`` is asked for one where it is needed. Raises HostError in sudo's words.
    """
    way = Way()
    said = refusal(way)
    if NEEDS_TERMINAL in said:
        way = replace(way, terminal=True)
        said = refusal(way)
    if any(words in said for words in NEEDS_PASSWORD):
        way = replace(way, password=password())
        said = refusal(way)
        if said:
            raise HostError(f"sudo refuses the password: {_last(said)}")
    if said:
        raise HostError(f"sudo refuses: {_last(said)}")
    return way


def _last(said: str) -> str:
    """Before it may come a lecture."""
    return said.strip().splitlines()[-1]
