"""What a check says, and how bad that is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from rackwright.printable import LINES, printable

MOST_CHARACTERS = 4000
"""Of each part of a result; what was observed is whole in the report."""


class Status(StrEnum):
    """The four answers of a check, in Nagios' words, ordered from the least severe to the most.

    What is not known outweighs a warning, and what is known to be broken outweighs both.
    ``exit_code`` is that of a Nagios plugin, whose order is another.
    """

    OK = "OK"
    WARN = "WARN"
    UNKNOWN = "UNKNOWN"
    CRITICAL = "CRITICAL"

    @property
    def exit_code(self) -> int:
        """0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN."""
        return (Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN).index(self)

    # Text compares by the alphabet, so that each of the four has to be said again.
    def __lt__(self, other: str) -> bool:
        """Whether this is less severe."""
        return _severity(self) < _severity(other)

    def __le__(self, other: str) -> bool:
        """Whether this is no more severe."""
        return _severity(self) <= _severity(other)

    def __gt__(self, other: str) -> bool:
        """Whether this is more severe."""
        return _severity(self) > _severity(other)

    def __ge__(self, other: str) -> bool:
        """Whether this is as severe, or more."""
        return _severity(self) >= _severity(other)


def _severity(status: str) -> int:
    return list(Status).index(Status(status))


class Finding(NamedTuple):
    """What a check found: how bad it is, its evidence in words, and what to do (empty when OK)."""

    status: Status
    evidence: str
    remedy: str = ""


@dataclass(frozen=True)
class Acceptance:
    """Until when, and why, an operator goes on with a finding: a day (2026-12-31) and words."""

    until: str
    why: str

    def __post_init__(self) -> None:
        """One line each, as of any result."""
        for key in ("until", "why"):
            object.__setattr__(self, key, printable(str(getattr(self, key))))


@dataclass(frozen=True)
class CheckResult:
    """One answer: of which check, about what on which host, with its evidence in words.

    ``remedy`` says what to do; empty when the status is OK. ``accepted``: the operator knows, and
    goes on with it (``checks.accepting``). Words may quote whatever a host said:
    here all of them become harmless, before any table, page or file shows them.
    """

    check: str
    host: str
    subject: str
    status: Status
    evidence: str
    remedy: str = ""
    accepted: Acceptance | None = None

    def __post_init__(self) -> None:
        """Evidence may be several lines, all else is one; neither floods whoever reads it."""
        for key in ("check", "host", "subject", "evidence", "remedy"):
            words = printable(str(getattr(self, key)), LINES if key == "evidence" else "")
            cut = f"{words[:MOST_CHARACTERS]}..." if len(words) > MOST_CHARACTERS else words
            object.__setattr__(self, key, cut)

    @property
    def counts_as(self) -> Status:
        """What a run ends with for it: OK where it is accepted."""
        return Status.OK if self.accepted else self.status

    @property
    def label(self) -> str:
        """The status in a word or two: ``CRITICAL``, ``CRITICAL accepted``."""
        return f"{self.status} accepted" if self.accepted else str(self.status)

    @property
    def status_words(self) -> str:
        """The status, with until when and why it is accepted."""
        one = self.accepted
        return f"{self.label} until {one.until}: {one.why}" if one else self.label


def worst(results: Iterable[CheckResult]) -> int:
    """The exit code of a Nagios plugin: 0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN; 3 for no result.

    What is accepted counts as OK.
    """
    return worst_of(result.counts_as for result in results)


def worst_of(statuses: Iterable[Status]) -> int:
    """``worst`` of statuses alone."""
    return max(statuses, default=Status.UNKNOWN).exit_code
