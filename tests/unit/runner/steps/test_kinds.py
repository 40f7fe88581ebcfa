"""What interrupts somebody is a step; all else is made at once."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.desired.items import Change, Directory, File, StepUnderWay, Unit
from rackwright.runner.steps.kinds import Kind, kind_of

FILE = File("/etc/systemd/system/a.service", b"new")
UNIT = Unit("a.service", restart_on=(FILE,))
OLD, NEW = {"restart": "older"}, UNIT.stamp


def unit(active: str, stamp: dict[str, str]) -> Change:
    seen: dict[str, Any] = {"active": active, "stamp": stamp, "enabled": "enabled"}
    return Change(UNIT, "differs", seen)


def test_nothing_that_differs_is_nothing() -> None:
    assert kind_of([]) is Kind.NOTHING


@pytest.mark.parametrize("active", ["active", "reloading", "deactivating"])
def test_what_serves_and_is_to_start_anew_is_a_step(active: str) -> None:
    assert kind_of([Change(FILE, "content differs", {}), unit(active, OLD)]) is Kind.STEP


@pytest.mark.parametrize("active", ["inactive", "failed", "activating"])
def test_what_serves_nobody_is_changed_at_once(active: str) -> None:
    assert kind_of([unit(active, OLD)]) is Kind.AT_ONCE


def test_what_was_never_there_is_started_at_once() -> None:
    assert kind_of([Change(FILE, "missing", {}), Change(UNIT, "not there yet", {})]) is Kind.AT_ONCE


def test_what_restarts_nothing_is_no_step() -> None:
    assert kind_of([unit("active", NEW)]) is Kind.AT_ONCE  # only to be enabled
    assert kind_of([Change(Directory("/var/cache/a"), "mode is 0700", {})]) is Kind.AT_ONCE


def test_what_was_left_in_the_middle_is_a_step_though_nothing_differs() -> None:
    mark = StepUnderWay("a", "/var/lib/rackwright/turns")
    seen = {"owner": "ops@desk/7/ab", "stage": "prove"}
    reason = mark.difference(seen)
    assert reason == "a step of ops@desk/7/ab was left at 'prove': go on"
    assert mark.difference({}) is None
    assert kind_of([Change(mark, reason, seen)]) is Kind.STEP
