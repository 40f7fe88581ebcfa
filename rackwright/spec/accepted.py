"""A finding that an operator knows of and goes on with, as declared: which, until when, and why."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from rackwright.schema.fields import Entry

LONGEST_WHY = 200
_DAY = "must be a day of the calendar such as '2026-12-31'"


def _day(value: object) -> date:
    """One day, as text or as a date; a moment of a day is none."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError(_DAY)
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(_DAY) from None


def _words(value: object) -> object:
    if isinstance(value, str) and not (value.strip() and value.isprintable()):
        raise ValueError("must be some words in one line of printable text")
    return value


Day = Annotated[date, BeforeValidator(_day)]
Words = Annotated[str, BeforeValidator(_words), Field(strict=True, max_length=LONGEST_WHY)]


class AcceptedFinding(Entry):
    """Whatever the check called ``check`` finds on ``host``, through the day ``until``.

    ``subject`` is what the row is about where that is not any (a replica, a service); ``why`` is
    shown beside the finding.
    """

    host: str = Field(strict=True)
    check: str = Field(strict=True)
    until: Day
    why: Words
    subject: str | None = Field(None, strict=True)

    def is_over(self, today: date) -> bool:
        """Whether its last day is past."""
        return self.until < today

    def is_about(self, host: str, subject: str, check: str) -> bool:
        """Whether a check's row is what was accepted."""
        return (self.host, self.check) == (host, check) and self.subject in (None, subject)
