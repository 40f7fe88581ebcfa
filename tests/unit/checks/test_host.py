"""Checks of any host: its clock and its disks."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.checks import checks_about, healthy, judge
from rackwright.checks.host.healthy import room as disk
from rackwright.checks.planned import PlannedHost
from rackwright.checks.results import CheckResult, Status

OK, WARN, CRITICAL, UNKNOWN = Status.OK, Status.WARN, Status.CRITICAL, Status.UNKNOWN
HOST, SEEN = healthy(PlannedHost).planned, healthy(PlannedHost).seen


def disks(logs: Any, releases: Any, weights: Any) -> dict[str, Any]:
    return {
        "disks": dict(zip([f.path for f in HOST.folders], (logs, releases, weights), strict=True))
    }


def clock(told: Any, sent: Any = 100.0, received: Any = 110.0, took: Any = 9.5) -> dict[str, Any]:
    asked = {"sent_unix_s": sent, "received_unix_s": received}
    return {"asked": asked, "time_unix_s": told, "elapsed_s": took}


TABLE: list[tuple[str, dict[str, Any], Status, str]] = [
    ("clock", {}, OK, "agrees, to 0.3 s"),
    ("clock", clock(111.9), OK, "agrees"),
    ("clock", clock(112.1), WARN, "at least 2.1 s ahead"),
    ("clock", clock(107.6), OK, "agrees"),
    ("clock", clock(107.4), WARN, "at least 2.1 s behind"),
    ("clock", clock(3709.0), CRITICAL, "at least 3599.0 s ahead"),
    ("clock", clock(20.0), CRITICAL, "behind"),
    ("clock", clock(106.0, took=1.0), OK, "agrees"),  # it may lie anywhere in these 9 s
    ("clock", clock(109.8, took=60.0), UNKNOWN, "was set while it was read"),
    ("clock", clock(None), UNKNOWN, "was not observed"),
    ("clock", clock("109.8"), UNKNOWN, "was not observed"),
    ("clock", {"asked": None}, UNKNOWN, "was not observed"),
    ("disk", {}, OK, "logs and releases: 100 of 500 GiB free; weights: 100 of 500 GiB free"),
    (
        "disk",
        disks(disk(100), disk(100), disk(20, 2)),
        WARN,
        "weights: 20 of 500 GiB free, the next version takes 30",
    ),
    (
        "disk",
        disks(disk(35), disk(35), disk(35)),
        WARN,
        "logs and releases and weights: 35 of 500 GiB free, the next version takes 41",
    ),
    ("disk", disks(disk(0.5), disk(100, 2), disk(100, 2)), CRITICAL, "logs: 0 of 500 GiB free"),
    ("disk", disks(disk(0.5), disk(100, 2), None), CRITICAL, "weights: was not observed"),
    ("disk", disks(disk(50), disk(50), {"error": "/x: EIO"}), UNKNOWN, "weights: /x: EIO"),
    ("disk", {"disks": None}, UNKNOWN, "was not observed"),
]


def results(**seen: Any) -> dict[str, CheckResult]:
    return {result.check: result for result in judge([HOST], {"gpu1": {**SEEN, **seen}})}


@pytest.mark.parametrize(("check", "changed", "status", "words"), TABLE)
def test_host(check: str, changed: dict[str, Any], status: Status, words: str) -> None:
    found = results(**changed)
    assert len(found) == len(checks_about(PlannedHost))
    result = found.pop(check)
    assert (result.status, result.host, result.subject) == (status, "gpu1", "gpu1")
    assert words in result.evidence
    assert bool(result.remedy) == (status is not OK)
    assert {other.status for other in found.values()} == {OK}


GARBAGE: list[Any] = ["", "OK", 200, True, [], ["OK"], {"status": 200}, float("nan")]


@pytest.mark.parametrize("garbage", GARBAGE, ids=repr)
@pytest.mark.parametrize(
    ("key", "check"),
    [
        ("disks", "disk"),
        ("asked", "clock"),
        ("time_unix_s", "clock"),
        ("elapsed_s", "clock"),
    ],
)
def test_a_garbled_observation_is_never_ok(key: str, check: str, garbage: Any) -> None:
    assert results(**{key: garbage})[check].status in (UNKNOWN, CRITICAL)
