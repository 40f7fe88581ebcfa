"""Where SSH goes, as a host's data says it: what no ssh could take is refused before it is tried.

A name of ssh_config may be almost any word, so little is asked of one; what looks like an address
is one.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field

from rackwright.schema.fields import from_text, of_one_host
from rackwright.schema.ports import Port


def _no_odd_spelling(value: str) -> str:
    """Systems read ``127.1`` and ``010.0.0.1`` as addresses too, each its own way."""
    parts = value.split(".")
    numbers = all(re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", part) for part in parts)
    return of_one_host(value) if len(parts) > 1 and numbers else value


_WORD = r"^[^\s\x00-\x1f\x7f-][^\s\x00-\x1f\x7f]*$"
"""What is no option to ssh, and no second word."""
SshName = Annotated[
    str,
    Field(
        pattern=_WORD,
        max_length=253,
        description="must be an address or a name that ssh knows, one word that starts without -",
    ),
    AfterValidator(_no_odd_spelling),
]
SshUser = Annotated[
    str,
    Field(
        pattern=_WORD,
        max_length=255,
        description="must be the name of a user, one word that starts without -",
    ),
]


class SshData(BaseModel):
    """What is judged of the data that a host is reached by; there is more, and all may be left out.

    A port may come as text from ``--data``.
    """

    ssh_hostname: SshName | None = None
    ssh_user: SshUser | None = None
    ssh_port: Annotated[Port, BeforeValidator(from_text)] | None = None
