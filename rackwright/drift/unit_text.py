"""A unit's and an environment file's text read back: what a process of it is started with.

Of files that are rendered here alone (``desired.render``), not of all that systemd understands.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rackwright.remote.host.environment_file import unquoted

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPES = {"n": "\n", "r": "\r"}


def argv_of(unit: str) -> tuple[str, ...]:
    """The words of its ``ExecStart=``; none where it has no such line."""
    joined = unit.replace("\\\n", " ")
    line = next((one for one in joined.splitlines() if one.startswith("ExecStart=")), "")
    return tuple(_literal(word) for word in _words(line.removeprefix("ExecStart=")))


def _words(line: str) -> Iterator[str]:
    for match in _WORD.finditer(line):
        quoted, plain = match.groups()
        yield plain if quoted is None else re.sub(r"\\(.)", _unescaped, quoted)


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPES.get(match[1], match[1])


def _literal(word: str) -> str:
    return word.replace("%%", "%").replace("$$", "$")


def environment_path_of(unit: str) -> str | None:
    """The file that its ``EnvironmentFile=`` names."""
    lines = (one for one in unit.splitlines() if one.startswith("EnvironmentFile="))
    return next((line.partition("=")[2] for line in lines), None)


def variables_of(environment: str) -> dict[str, str]:
    """Names and values as a process is given them."""
    lines = (line for line in environment.splitlines() if "=" in line and not line.startswith("#"))
    pairs = (line.partition("=") for line in lines)
    return {name: unquoted(value) for name, _, value in pairs}
