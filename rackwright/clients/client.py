"""Clients as values: what each may ask for, how much of it, and by which keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from rackwright.clients.times import Moment
from rackwright.schema.fields import Count, Entry, ServedName, Sha256

ClientName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]*$",
        max_length=64,
        description="must be letters, digits and ._@- only, and start with a letter or digit",
    ),
]
ID_DIGITS = 8
"""Of a digest, by which people name a key."""
Class = Literal["interactive", "batch"]


class ClientKey(Entry):
    """A key, by its digest: when it was made and, unless it is for good, when it expires."""

    sha256: Sha256
    made: Moment
    expires: Moment | None = None

    @property
    def id(self) -> str:
        """The first digits of its digest."""
        return self.sha256[:ID_DIGITS]

    def is_over(self, now: datetime) -> bool:
        """Whether it has expired."""
        return self.expires is not None and self.expires <= now


def _some(keys: tuple[ClientKey, ...]) -> tuple[ClientKey, ...]:
    """Judged when each could be read: pydantic's own rule counts those alone."""
    if not keys:
        raise ValueError("must have a key")
    return keys


class Client(Entry):
    """One client. What is None has no limit; all of its keys count towards the same limits.

    Limits are those of each gateway for itself. ``models`` are names that clients ask for, or of
    services, None for all. ``tokens_a_month`` are of a calendar month in UTC.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", protected_namespaces=(), validate_by_name=True
    )

    name: ClientName
    models: tuple[ServedName, ...] | None = Field(None, min_length=1)
    class_: Class = Field("interactive", alias="class")
    requests_a_minute: Count | None = None
    tokens_a_minute: Count | None = None
    in_flight: Count | None = None
    tokens_a_month: Count | None = None
    keys: Annotated[tuple[ClientKey, ...], AfterValidator(_some)]


Clients = dict[str, Client]
"""By name."""
