"""Findings that are accepted: what is refused, all of it at once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.rules.accepted import LONGEST, subject_faults
from rackwright.planning.placing import plan
from tests.samples.faulty import Hosts, faults
from tests.samples.fleet import hosts

TODAY = date.today()
SOON = str(TODAY + timedelta(days=30))


def entry(**more: Any) -> dict[str, Any]:
    return {"host": "gpu1", "check": "PCIe", "until": SOON, "why": "riser is ordered", **more}


def accepting(*entries: Any) -> Hosts:
    return hosts(accepted=list(entries))


def test_what_is_whole_is_read() -> None:
    spec = load_fleet(accepting(entry(), entry(subject="chat", host="gw1", check="upstream")))
    assert list(spec.accepted) == ["accepted[0]", "accepted[1]"]
    assert str(spec.accepted["accepted[0]"].until) == SOON


@pytest.mark.parametrize("check", ["reached", "secure-boot", "bandwidth", "unit", "clock"])
def test_what_other_verbs_find_can_be_accepted_too(check: str) -> None:
    assert load_fleet(accepting(entry(check=check))).accepted


@pytest.mark.parametrize("until", [TODAY - timedelta(days=400), TODAY, TODAY + LONGEST])
def test_a_day_may_be_over_but_not_far_away(until: date) -> None:
    """An inventory that was fine yesterday is not refused today: the checks say that it is over."""
    assert load_fleet(accepting(entry(until=until))).accepted


REFUSED: dict[str, Any] = {
    "accepted[0].host: is not a known host, did you mean 'gpu1'? (got 'gpu11')": {"host": "gpu11"},
    "accepted[0].check: is not a known check, did you mean 'PCIe'? (got 'PCI')": {"check": "PCI"},
    "accepted[0].check: is not a known check, did you mean 'secure-boot'?": {"check": "securboot"},
    "accepted[0].check: is asked of gateways alone, gpu1 is none": {"check": "upstream"},
    "accepted[0].check: is asked of GPU servers alone, gw1 is none": {"host": "gw1"},
    "accepted[0].until: must be a day of the calendar such as": {"until": "2026-02-30"},
    "accepted[0].until: must be a day of the calendar": {"until": "31.12.2026"},
    "accepted[0].until: must be a day of the calendar such": {"until": datetime(2026, 12, 31)},
    "accepted[0].until: must be at most a year ahead": {"until": str(TODAY + timedelta(days=367))},
    "accepted[0].why: must be some words": {"why": "  "},
    "accepted[0].why: must be some words in one line": {"why": "a\nb"},
    "accepted[0].wy: is not a known key, did you mean 'why'?": {"wy": "x"},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_is_refused(words: str) -> None:
    (said,) = faults(accepting(entry(**REFUSED[words])))
    assert said.startswith(words)


def test_one_that_says_nothing_is_refused() -> None:
    said = faults(accepting({}))
    assert said == [f"accepted[0].{key}: is required" for key in ("check", "host", "until", "why")]


def test_every_fault_is_said_at_once() -> None:
    said = faults(
        accepting(entry(until="soon", check="PCI"), 7, entry(host="gpu9"), entry(), entry(why="x"))
    )
    starts = (
        "accepted[0].check: is not a known check",
        "accepted[0].until: must be a day",
        "accepted[1]: must be a dict",
        "accepted[2].host: is not a known host",
        "accepted[4]: is what accepted[3] accepts already",
    )
    assert len(said) == len(starts)
    assert all(one.startswith(start) for one, start in zip(said, starts, strict=True))


def test_it_is_a_list_that_all_hosts_share() -> None:
    (said,) = faults(hosts(accepted={"gpu1": "PCIe"}))
    assert said.startswith("accepted: must be a list")


def test_a_subject_is_something_that_is_planned() -> None:
    spec = load_fleet(
        accepting(
            entry(check="unit", subject="chat-gpu1-0"), entry(check="unit", subject="chat-gpu1-9")
        )
    )
    (fault,) = subject_faults(spec, plan(spec))
    assert fault.path == "accepted[1].subject" and "did you mean 'chat-gpu1-0'?" in fault.rule
    assert SpecError([fault]).exit_code == 65
