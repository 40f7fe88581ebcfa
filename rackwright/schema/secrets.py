"""What a key or token must be: it ends in a header, in a file and in a process's environment."""

from __future__ import annotations

import re

LONGEST = 4096
"""Characters: more than any token has (a signed one has some 2,000), less than a header holds."""


def secret_rule(value: str) -> str:
    """Why a value cannot be a key or token, in words that do not show it; empty where it can.

    Signs that a Bearer token cannot have (RFC 6750) and many keys do are let through; what ends a
    line, a header or a word is not.
    """
    if not value:
        return "must not be empty"
    if not re.fullmatch(r"[!-~]+", value):
        return "must be one line of printable ASCII without spaces, nothing before or after it"
    return f"must have at most {LONGEST} characters" if len(value) > LONGEST else ""
