"""Observations with junk in every place: each check has an answer, and no host ends the others."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.checks import CHECKS, Check, Status, judge
from tests.samples.mutated import JUNK, mutations


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_answers_of_whatever_was_observed(check: Check[Any]) -> None:
    planned = check.healthy.planned
    for seen in mutations(dict(check.healthy.seen), JUNK[1::2]):
        if isinstance(seen, dict) and check.is_asked(planned, seen):
            assert check.ask(planned, seen).status in Status


@pytest.mark.parametrize("junk", JUNK, ids=lambda value: repr(value)[:20])
def test_a_host_that_answered_no_dict_was_not_reached(junk: Any) -> None:
    planned = CHECKS[0].healthy.planned
    results = judge([planned], {planned.host: junk})
    assert results and all(result.status is not Status.OK for result in results)
