"""The benchmark prints no figure of a run that was not what it says it is."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from benchmarks.converge.desired import ITEMS
from benchmarks.converge.table import Figure, table
from benchmarks.converge.ways import Unfit, Way, changed_hosts
from lab.fleet import SPARES

HOSTS = SPARES[:2]
WAY = Way("a way", "hosts", "deploy", operations=2)


def results(*outcomes: dict[str, list[str]], failed: tuple[str, ...] = ()) -> dict[str, Any]:
    """What `pyinfra --json` says, so far as it is read."""
    empty: dict[str, list[str]] = {"success": [], "no_change": [], "error": []}
    operations = [{"name": "an operation", **empty, **outcome} for outcome in outcomes]
    return {"operations": operations, "failed_hosts": list(failed)}


SAME = {"no_change": ["spare1", "spare2"]}
ONE_CHANGED = {"success": ["spare1"], "no_change": ["spare2"]}


def test_the_state_has_40_items_each_once() -> None:
    assert len(ITEMS) == 40
    assert max(Counter((item.kind, item.key) for item in ITEMS).values()) == 1


def test_hosts_that_an_operation_changed_are_named() -> None:
    assert changed_hosts(WAY, HOSTS, results(SAME, SAME)) == set()
    assert changed_hosts(WAY, HOSTS, results(SAME, ONE_CHANGED)) == {"spare1"}


@pytest.mark.parametrize(
    "unfit",
    [
        results(),
        results(SAME),
        results(SAME, SAME, SAME),
        results(SAME, {"no_change": ["spare1"]}),
        results(SAME, {"no_change": ["spare1"], "error": ["spare2"]}),
        results(SAME, SAME, failed=("spare2",)),
    ],
    ids=["nothing", "one missing", "one more", "host skipped", "host in error", "host failed"],
)
def test_a_run_that_was_not_whole_and_clean_is_refused(unfit: dict[str, Any]) -> None:
    with pytest.raises(Unfit):
        changed_hosts(WAY, HOSTS, unfit)


def test_ratios_are_to_the_first_way_on_as_many_hosts() -> None:
    figures = [
        Figure(1, "a", 77, [4.0, 6.0, 5.0]),
        Figure(1, "b", 1, [1.0]),
        Figure(4, "a", 7, [8.0]),
    ]
    rows = [line.split() for line in table(figures)][2:]
    assert rows[0] == ["1", "a", "5.00", "4.00", "-", "6.00", "1.0x", "77"]
    assert rows[1][-2:] == ["5.0x", "1"]
    assert rows[2][-2:] == ["1.0x", "7"]
