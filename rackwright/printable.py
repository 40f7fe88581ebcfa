"""Text from elsewhere, made harmless: what a terminal, a page or a paste would take for more.

Whatever a host says (a GPU's name, an error, a command line) may hold terminal codes, half a
surrogate pair, what turns the direction of text, or a line break where one line is meant. Values
stay as they were observed; each place where they become text for people passes here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LINES = "\n\t"
"""What text of several lines may hold beside what can be printed."""
_COLOUR = re.compile(r"(\x1b\[[0-9;]{0,20}m)")


def printable(text: str, keep: str = "") -> str:
    r"""The text with every sign that cannot be printed written as Python writes it: ``\x1b``.

    ``str.isprintable`` decides: no control codes, surrogates, separators of lines, or signs of
    format (those that turn the direction are among them). ``keep`` names signs that stay.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() or sign in keep else _named(sign) for sign in text)


def _named(sign: str) -> str:
    return repr(sign)[1:-1]


def coloured(text: str) -> str:
    """Several lines in which colours, which are ours, stay; nothing else that is a code does."""
    parts = _COLOUR.split(text)
    return "".join(
        part if place % 2 else printable(part, LINES) for place, part in enumerate(parts)
    )


def all_printable(value: Any, keep: str = "") -> Any:
    """An observation with every text in it, keys too, as ``printable`` has it."""
    if isinstance(value, str):
        return printable(value, keep)
    if isinstance(value, Mapping):
        return {all_printable(key, keep): all_printable(each, keep) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [all_printable(each, keep) for each in value]
    return value
