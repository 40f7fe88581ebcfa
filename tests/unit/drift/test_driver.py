"""The driver of a server as drift sees it: by what a whole deploy has noted of its items."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.drift import kinds
from rackwright.drift.comparing import drifts
from rackwright.drift.expected import expected
from rackwright.drift.question import Question, known_of, question
from tests.samples.drift import NONCE, SEEN, Answer, as_planned, planned
from tests.samples.driver import loaded, seen
from tests.samples.fleet import lab_hosts

VERSION = "580.159.04"


def asked() -> tuple[Question, Answer]:
    """A server whose driver is ours, installed and loaded, and noted by the last deploy."""
    data = {name: {**own, "driver_version": VERSION} for name, own in lab_hosts().items()}
    one = question(planned("gpu1", data), NONCE)
    assert one.request()["known"]["driver"]
    answer = as_planned(one)
    answer["known"]["driver"] = seen("debian12", **loaded(VERSION))
    answer["host"]["driver"] = VERSION
    items = expected(one.host, known_of(answer))
    known = {(item.kind, item.key) for item in one.asked}
    answer["others"] = {
        f"{item.kind} {item.key}": dict(_seen(item))
        for item in items
        if (item.kind, item.key) not in known
    }
    answer["items"] = [
        _seen(next(item for item in items if (item.kind, item.key) == (o.kind, o.key)))
        for o in one.asked
    ]
    return one, answer


def _seen(item: Any) -> Answer:
    return next(of_item(item) for of, of_item in SEEN.items() if isinstance(item, of))


def test_a_driver_that_is_as_planned_is_none() -> None:
    one, answer = asked()
    assert any(name.startswith("package nvidia") for name in answer["others"])
    assert drifts(one, answer, ["192.0.2.1"]) == []


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"version": "580.178.04-1"}, kinds.UPGRADED),
        ({"version": "570.1-1"}, kinds.DOWNGRADED),
        ({"status": "install ok installed"}, kinds.NOT_HELD),
        ({"status": "deinstall ok config-files"}, kinds.PACKAGE_MISSING),
    ],
)
def test_a_package_of_it_that_went_another_way(change: Answer, kind: kinds.Kind) -> None:
    one, answer = asked()
    held = next(
        name
        for name, said in answer["others"].items()
        if name.startswith("package ") and said["status"].startswith("hold ")
    )
    answer["others"][held].update(change)
    (found,) = drifts(one, answer, ["192.0.2.1"])
    assert (found.kind, f"package {found.path}") == (kind, held)


def test_another_driver_that_is_loaded() -> None:
    one, answer = asked()
    answer["host"]["driver"] = "570.1"
    (found,) = drifts(one, answer, ["192.0.2.1"])
    assert (found.kind, found.there, found.planned) == (kinds.DRIVER, "570.1", VERSION)


def test_of_a_driver_that_nobody_noted_only_what_is_loaded_is_known() -> None:
    one, answer = asked()
    answer["others"] = {}
    assert drifts(one, answer, ["192.0.2.1"]) == []
