"""A replica is proven by what its checks say now, beside what they said before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from rackwright.checks.replica.healthy import streamed
from rackwright.checks.results import Acceptance, CheckResult, Status
from rackwright.checks.table import CHECKS
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.steps import proof
from rackwright.runner.steps.rank import Rank
from rackwright.spec import AcceptedFinding
from tests.samples.fleet import lab_hosts

WELL, WARN, BAD, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN


def rows(**statuses: Status) -> list[CheckResult]:
    """``open_files=Status.OK``: what a check says of chat-gpu1-0."""
    return [
        CheckResult(name.replace("_", " "), "gpu1", "chat-gpu1-0", status, f"{name} it is")
        for name, status in statuses.items()
    ]


ALL_WELL = rows(unit=WELL, health=WELL, identity=WELL, completion=WELL, balance=WELL)


def test_names_of_checks_are_those_of_the_table() -> None:
    known = {check.name for check in CHECKS}
    assert known >= proof.OF_THE_MACHINE | {*proof.ALWAYS_ASKED}


def test_all_well_is_proven_and_a_warning_is_no_fault() -> None:
    assert proof.faults(ALL_WELL, rows(unit=WELL, completion=WELL, delivery=WARN)) == []


@pytest.mark.parametrize("status", [BAD, UNKNOWN])
def test_what_is_bad_or_not_known_is_a_fault(status: Status) -> None:
    (fault,) = proof.faults(ALL_WELL, rows(unit=WELL, completion=status))
    assert fault == f"completion is {status}: completion it is"


def test_nothing_observed_is_no_proof() -> None:
    assert proof.faults(ALL_WELL, []) and proof.silent([])


def test_a_blemish_of_the_machine_from_before_is_no_fault_of_the_change() -> None:
    assert proof.faults(rows(balance=BAD), rows(unit=WELL, balance=BAD)) == []
    assert proof.faults(rows(balance=WELL), rows(unit=WELL, balance=BAD))


def test_what_the_plan_wants_is_never_excused_by_what_was_before() -> None:
    """Before the change another version runs: the check was CRITICAL, and must not be after."""
    assert proof.faults(rows(version=BAD), rows(version=BAD))


def test_a_blemish_that_the_operator_accepts_is_no_fault_but_that_it_works_is_none() -> None:
    known = Acceptance("2026-12-31", "a card is ordered")
    throughput, completion = rows(throughput=BAD, completion=BAD)
    assert proof.faults((), [throughput]) and proof.faults((), [completion])
    assert proof.faults((), [replace(throughput, accepted=known)]) == []
    assert proof.faults((), [replace(completion, accepted=known)])


def test_a_rank_s_results_say_what_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_fleet(lab_hosts())
    one = plan(spec).replicas[0]
    host, settings = one.server.name, spec.settings[one.server.name]
    why = "not for long"
    known = AcceptedFinding(host=host, check="unit", until="9999-12-31", why=why)
    nothing = {"replicas": {one.name: {}}}
    monkeypatch.setattr("rackwright.runner.steps.rank.observe_replica", lambda *_: nothing)
    seen: Any = None
    results = Rank(seen, one, settings, (), {"accepted[0]": known}).observe(load=False)[1]
    assert [row.accepted.why for row in results if row.accepted] == [why]
    assert "accepted" not in {row.check for row in results}


def test_put_back_is_well_when_nothing_that_was_well_is_not() -> None:
    assert proof.worse(rows(version=BAD, unit=WELL), rows(version=BAD, unit=WELL)) == []
    assert proof.worse(rows(unit=WELL), rows(unit=BAD))


def test_who_ran_and_answered_served() -> None:
    assert proof.served(ALL_WELL)
    assert not proof.served(rows(unit=BAD, health=WELL)) and not proof.served([])


def test_one_that_is_another_than_planned_has_to_run_and_answer() -> None:
    assert proof.silent(rows(unit=WELL, identity=WELL, health=WELL, version=BAD)) == []
    assert proof.silent(rows(unit=WELL, identity=BAD, health=WELL))


def seen(token_ms: float, **more: Any) -> dict[str, Any]:
    return {"delivery": streamed(token_ms, **more)}


@pytest.mark.parametrize(
    ("before", "after", "slow"),
    [
        (seen(10.0), seen(10.5), False),
        (seen(10.0), seen(19.0), False),
        (seen(10.0), seen(25.0), True),
        (seen(10.0, others=3), seen(25.0), False),  # beside others: not compared
        (seen(10.0), seen(25.0, others=2), False),
        (seen(10.0, tokens=8), seen(25.0, tokens=8), False),  # too few to say
        ({"delivery": None}, seen(25.0), False),
        ({}, {}, False),
    ],
)
def test_half_the_speed_of_before_is_the_least(
    before: dict[str, Any], after: dict[str, Any], slow: bool
) -> None:
    words = proof.slower(before, after)
    assert bool(words) == slow
    assert not slow or "and had" in words


def test_what_the_operator_accepts_does_not_count() -> None:
    (known,) = rows(model=BAD)
    after = [*rows(unit=WELL), replace(known, accepted=Acceptance("2026-12-31", "a known blemish"))]
    assert proof.faults(ALL_WELL, after) == []
    assert proof.worse(ALL_WELL, after) == []
    assert proof.faults(ALL_WELL, [*rows(unit=WELL), known])
