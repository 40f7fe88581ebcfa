"""A certificate that a CA issues by itself (ACME, RFC 8555), as it is declared."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from rackwright.schema.fields import Entry, HttpsUrl

EmailAddress = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$",
        max_length=254,
        description="must be an e-mail address such as ops@example.com",
    ),
]


class AcmeSpec(Entry):
    """Who asks which CA. ``directory`` is the URL that a CA is known by; None: the setting's.

    ``agree_to_terms`` is the operator's word on the CA's terms of service, and has to be said.
    """

    email: EmailAddress
    agree_to_terms: Literal[True]
    directory: HttpsUrl | None = None
