"""What is given to a host's login shell, which may be any: fish, csh and zsh read it as sh does.

sshd hands a command to the user's login shell. Shells differ in what they make of backslashes,
exclamation marks and line ends inside quotes, and their start files may print a banner before it.
So the command travels in base64 within one pair of quotes, what comes before ``BEGINS`` is theirs,
and by ``exec`` nothing comes after it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator

BEGINS = "rackwright-begins"
"""Printed on both streams before the command runs."""
_MARK = f"echo; echo {BEGINS}"
"""On a line of its own, wherever a banner's last line ends."""
_MARKS = f"{_MARK}; echo >&2; echo {BEGINS} >&2"


def line(command: str, one_stream: bool = False) -> str:
    """A command of a POSIX shell, as any login shell can be given it.

    ``one_stream``: on a terminal, where what goes to standard error is seen among the output.
    """
    packed = base64.b64encode(command.encode()).decode()
    mark = _MARK if one_stream else _MARKS
    return f"exec sh -c '{mark}; eval \"$(echo {packed} | base64 -d)\"'"


def after_begin(lines: Iterable[str]) -> Iterator[str]:
    """What the command printed; all there is where it never began: then the shell says why."""
    before = []
    lines = iter(lines)
    for text in lines:
        if text.rstrip("\r\n") == BEGINS:
            yield from lines
            return
        before.append(text)
    yield from before


def without_banner(output: bytes) -> bytes:
    """The same of all that was printed on one stream."""
    before, mark, after = output.partition(f"\n{BEGINS}\n".encode())
    return after if mark else before
