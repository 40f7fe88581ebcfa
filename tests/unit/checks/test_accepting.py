"""Findings that are accepted: still in every report, no longer counted, never without a word."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from rackwright.checks.accepting import checks_of, kinds_by_check, with_accepted
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import CheckResult, Status, worst
from rackwright.checks.server.healthy import SERVER
from rackwright.report import junit_text, results_text
from rackwright.spec import AcceptedFinding

TODAY = date(2026, 11, 26)
ASKED = ("PCIe", "upstream", "reached")
FINE = CheckResult("PCIe", "gpu1", "gpu1", Status.OK, "x16")
SLOW = CheckResult("PCIe", "gpu1", "gpu1", Status.CRITICAL, "x4", "reseat it")
LOST = CheckResult("reached", "gpu1", "gpu1", Status.CRITICAL, "no route", "see to it")


def accepts(**more: Any) -> dict[str, AcceptedFinding]:
    entry = {"host": "gpu1", "check": "PCIe", "until": "2026-12-31", "why": "riser is ordered"}
    return {"accepted[0]": AcceptedFinding(**{**entry, **more})}


def judged(*rows: CheckResult, **more: Any) -> list[CheckResult]:
    return with_accepted(rows, accepts(**more), TODAY, ASKED)


@pytest.mark.parametrize("status", [Status.WARN, Status.UNKNOWN, Status.CRITICAL])
def test_what_is_accepted_stays_and_does_not_count(status: Status) -> None:
    (row,) = judged(CheckResult("PCIe", "gpu1", "gpu1", status, "x4", "reseat it"))
    assert (row.status, row.counts_as, worst([row])) == (status, Status.OK, 0)
    assert row.status_words == f"{status} accepted until 2026-12-31: riser is ordered"
    assert (row.evidence, row.remedy) == ("x4", "reseat it")


@pytest.mark.parametrize(
    "more", [{"host": "gpu2"}, {"check": "upstream"}, {"subject": "chat"}], ids=str
)
def test_any_other_finding_counts(more: dict[str, str]) -> None:
    row, *_ = judged(SLOW, **more)
    assert row == SLOW and worst([row]) == 2


def test_a_subject_narrows_it_to_one_row() -> None:
    rows = [
        CheckResult("upstream", "gw1", name, Status.CRITICAL, "gone", "see") for name in ("a", "b")
    ]
    found = judged(*rows, host="gw1", check="upstream", subject="b")
    assert [row.counts_as for row in found] == [Status.CRITICAL, Status.OK]


@pytest.mark.parametrize(("days", "counts"), [(0, Status.OK), (-1, Status.CRITICAL)])
def test_the_last_day_is_the_one_that_is_written(days: int, counts: Status) -> None:
    row, *_ = judged(SLOW, until=TODAY + timedelta(days))
    assert row.counts_as is counts


@pytest.mark.parametrize("row", [SLOW, FINE], ids=["found", "mended"])
def test_one_that_has_run_out_is_a_warning(row: CheckResult) -> None:
    same, said = judged(row, until="2026-11-25")
    assert same == row
    assert (said.check, said.host, said.status) == ("accepted", "gpu1", Status.WARN)
    assert "`PCIe` (riser is ordered) was accepted until 2026-11-25, which is over" in said.evidence
    assert "take accepted[0] out" in said.remedy


def test_one_that_nothing_is_found_for_is_told() -> None:
    same, said = judged(FINE)
    assert same == FINE
    assert said.status is Status.OK and "it is OK now: take accepted[0] out" in said.evidence


def test_one_of_a_check_that_was_not_made_is_a_warning() -> None:
    other = CheckResult("clock", "gpu1", "gpu1", Status.OK, "0.0 s")
    _, said = judged(other)
    assert said.status is Status.WARN and "no such check was made" in said.evidence


def test_nothing_is_said_of_hosts_and_checks_that_nobody_asked() -> None:
    elsewhere = CheckResult("clock", "gpu2", "gpu2", Status.OK, "0.0 s")
    assert judged(elsewhere) == [elsewhere]
    assert judged(elsewhere, host="gpu2", check="bandwidth") == [elsewhere]


def test_nothing_is_said_of_a_host_that_gave_no_answer() -> None:
    assert judged(LOST) == [LOST]


def test_a_host_that_is_away_can_be_accepted() -> None:
    (row,) = judged(LOST, check="reached")
    assert row.counts_as is Status.OK
    same, said = judged(FINE, check="reached")
    assert same == FINE and "it is OK now" in said.evidence


def test_checks_are_known_by_what_they_are_about() -> None:
    kinds = kinds_by_check()
    assert (kinds["PCIe"], kinds["upstream"], kinds["unit"]) == ("server", "service", "replica")
    assert kinds["reached"] == "host" and "deployed" not in kinds
    assert isinstance(SERVER.planned, PlannedServer)
    assert {"PCIe", "reached"} <= checks_of([SERVER.planned])
    assert not {"upstream", "unit", "bandwidth"} & checks_of([SERVER.planned])


def test_a_table_has_it_with_its_status_and_reason() -> None:
    lines = results_text(judged(SLOW), width=200).splitlines()
    assert lines[1].startswith("CRITICAL accepted  gpu1")
    words = "CRITICAL accepted until 2026-12-31: riser is ordered; gpu1 on gpu1, PCIe: reseat it"
    assert words in lines and lines[-1] == "1 accepted"


def test_junit_skips_it_and_says_why() -> None:
    text = junit_text(judged(SLOW))
    assert 'failures="0" errors="0" skipped="1"' in text
    assert 'skipped message="CRITICAL accepted until 2026-12-31: riser is ordered: x4"' in text


def test_words_of_an_inventory_are_no_code_of_a_terminal() -> None:
    (row,) = judged(SLOW)
    assert row.accepted and type(row.accepted)("x", "a\x1b[31mb").why == "a\\x1b[31mb"
