"""What must not be shown of a log: keys and tokens, by how they are named or how they look.

Values of an environment file are known on the host alone and are taken out there
(``remote/starts.py``).
"""

from __future__ import annotations

import re

HIDDEN = "<hidden>"
_NAME = (
    r"(?:api[-_ ]?keys?|(?:hf|hub|auth|access|api)[-_]token|secret[\w-]{0,40}|passw(?:or)?d"
    r"|authorization)"
)
_PATTERNS = (
    # --api-key VALUE, --api-key=VALUE, and '--api-key', 'VALUE' of a printed list
    re.compile(
        rf"(?i)(?<![\w-])(--[\w-]{{0,40}}{_NAME}[\w-]{{0,40}}['\"]?[ =,]{{1,3}}['\"]?)[^\s'\",\]]+"
    ),
    # api_key='VALUE', "api_key": ["VALUE", "ANOTHER"], HF_TOKEN=VALUE
    re.compile(
        rf"(?i)({_NAME}['\"]? ?[=:] ?)(?:\[[^\]]{{0,2000}}(?:\]|$)|\([^)]{{0,2000}}(?:\)|$))"
    ),
    re.compile(rf"(?i)({_NAME}['\"]? ?[=:] ?(?:bearer |basic )?['\"]?)[^\s'\",\])(\[]+"),
    re.compile(r"(?i)(bearer )[\w.~+/=-]+"),
    re.compile(r"(://[^/\s:@]{0,100}:)[^/\s@]{1,200}(?=@)"),
    re.compile(r"()\b(?:hf_[A-Za-z0-9]{16,}|(?:sk-|ghp_|github_pat_)[\w-]{16,})"),
)


def redacted(text: str) -> str:
    """The text with every key and token in it hidden."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text
