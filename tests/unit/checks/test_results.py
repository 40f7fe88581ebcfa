"""How severe a status is, and its exit code."""

from __future__ import annotations

from itertools import pairwise

import pytest

from rackwright.checks.results import Status, worst_of

ORDERED = [Status.OK, Status.WARN, Status.UNKNOWN, Status.CRITICAL]


@pytest.mark.parametrize(("less", "more"), list(pairwise(ORDERED)))
def test_a_status_compares_by_severity(less: Status, more: Status) -> None:
    assert less < more and less <= more and more > less and more >= less
    assert not (more < less or more <= less or less > more or less >= more)


def test_a_status_is_as_severe_as_itself() -> None:
    assert all(one <= one and one >= one and not one < one for one in ORDERED)
    words = ["CRITICAL", "OK", "UNKNOWN", "WARN"]
    assert sorted(Status(word) for word in words) == ORDERED == list(Status)


def test_exit_codes_are_those_of_a_nagios_plugin() -> None:
    assert {status: status.exit_code for status in Status} == {
        "OK": 0,
        "WARN": 1,
        "CRITICAL": 2,
        "UNKNOWN": 3,
    }


def test_nothing_checked_is_unknown() -> None:
    assert worst_of([]) == Status.UNKNOWN.exit_code


def test_a_word_that_is_no_status_does_not_compare() -> None:
    with pytest.raises(ValueError, match="FINE"):
        Status.OK < "FINE"  # noqa: B015
