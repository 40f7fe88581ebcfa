"""A seed carried from one server to another, through this machine's memory, piece by piece."""

from __future__ import annotations

import secrets
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pyinfra.api.host import Host

from rackwright.desired.seeds import request
from rackwright.errors import HostError
from rackwright.runner.remote_call import call
from rackwright.spec import Settings

PIECE_BYTES = 2 << 20
"""What is carried at once: by the line of it that the connection reads, which should stay short."""
TIMEOUT_S = 120


class About(BaseModel):
    """What a server tells of a seed: it may tell anything."""

    model_config = ConfigDict(extra="ignore", strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(gt=0)
    bytes: int = Field(ge=0)
    files: int = Field(ge=0)
    of: str
    made_unix_s: float
    facts: dict[str, Any]
    machine: dict[str, str]


def carried(host: Host, settings: Settings, digest: str, source: tuple[Host, Settings]) -> bool:
    """Have a seed of ``source``, root to root; compared with what was packed before it counts.

    False where the other has none, or one that is more than may be kept here. Raises HostError,
    ValueError for what makes no sense.
    """
    other, theirs = source
    told = ask_seeds(other, {**request("about", theirs), "digest": digest})["about"]
    bounded = request("finish", settings)
    if not told:
        return False
    about = About.model_validate(told)
    if about.size > bounded["most_bytes"]:
        return False
    parts: dict[str, Any] = {"digest": digest, "carrier": secrets.token_hex(4)}
    for offset in range(0, about.size, PIECE_BYTES):
        piece = {"digest": digest, "offset": offset, "bytes": PIECE_BYTES}
        data = ask_seeds(other, {**request("read", theirs), **piece})["data"]
        ask_seeds(host, {**request("add", settings), **parts, "offset": offset, "data": data})
    ask_seeds(host, {**bounded, **parts, "about": about.model_dump()})
    return True


def ask_seeds(host: Host, asked: dict[str, Any], timeout_s: int = TIMEOUT_S) -> dict[str, Any]:
    """A question of ``desired.seeds.request``. Raises HostError with the server's words."""
    said: dict[str, Any] = call(host, "seeds", asked, timeout_s=timeout_s, kind=dict)
    if error := said.get("error"):
        raise HostError(f"{host.name}: {error}")
    return said
