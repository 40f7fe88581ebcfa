"""Moments and spans as an operator writes them: in UTC, to the second."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_MOST_DAYS = 36_500
LAST = datetime(2999, 1, 1, tzinfo=UTC)
"""No moment is later: what is told by seconds since 1970 stays a small number everywhere."""


def moment(value: object) -> datetime:
    """A moment such as 2026-12-31T00:00:00Z. Raises ValueError for what is none."""
    try:
        read = datetime.strptime(str(value), _MOMENT).replace(tzinfo=UTC)
    except ValueError:
        read = None
    if read is None or not 2000 <= read.year < LAST.year:
        raise ValueError("must be a moment in UTC such as 2026-12-31T00:00:00Z")
    return read


def written(value: datetime) -> str:
    """A moment as ``moment`` reads it."""
    return value.strftime(_MOMENT)


Moment = Annotated[
    datetime,
    BeforeValidator(lambda value: value if isinstance(value, datetime) else moment(value)),
    PlainSerializer(written),
]


def span(text: str) -> timedelta:
    """How long: ``30m``, ``24h``, ``90d``. Raises ValueError for what is none."""
    found = re.fullmatch(r"([0-9]{1,9})([mhd])", text)
    read = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
    if read is None or read.days > _MOST_DAYS:
        raise ValueError("must be minutes, hours or days such as 30m, 24h or 90d")
    return read


def until(text: str, now: datetime) -> datetime:
    """When something ends: so long from now (``90d``), or with a day (``2026-12-31``).

    Raises ValueError for what is neither, or is over.
    """
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            end = datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=1)
        except (ValueError, OverflowError):
            raise ValueError("must be a day that there is") from None
    else:
        end = now + span(text)
    if not now < end < LAST:
        raise ValueError("must be in the future, before the year 2999")
    return end
