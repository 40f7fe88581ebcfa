"""What lines of the driver's errors say beside their code."""

from __future__ import annotations

import re

RECOVERY = 154
"""Not a fault, but what the driver asks for because of one."""
_FATAL = re.compile(r"\b(non-?\s?)?fatal\b", re.IGNORECASE)
_CHANGED = re.compile(r"\bto (0x[0-9A-Fa-f]{1,8})(?: \(([^)]{0,80})\))?")


def is_fatal(text: str) -> bool:
    """Whether a line calls its error fatal; one that does not say is taken for it."""
    said = [one[1] for one in _FATAL.finditer(text)]
    return not said or not all(said)


def asked_by(text: str) -> str:
    """Of Xid 154 what the driver asks for from now on; "none" where all is well again.

    ``GPU recovery action changed from 0x0 (None) to 0x1 (GPU Reset Required)``: the number is the
    same in every driver, its words are not.
    """
    changed = _CHANGED.search(text)
    if changed is None:
        return ""
    return "none" if int(changed[1], 16) == 0 else (changed[2] or changed[1])


def number_asked(text: str) -> int | None:
    """The same as its number; None where the line has none."""
    changed = _CHANGED.search(text)
    return None if changed is None else int(changed[1], 16)
