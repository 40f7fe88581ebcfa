"""The gateway's benchmark: what is made of rows, and what counts as a request that was lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gateway.accounts import faults
from benchmarks.gateway.clients import Tally
from benchmarks.gateway.doors import DIRECT, GATEWAY, PLAIN
from benchmarks.gateway.load import FULL, LIGHT
from benchmarks.gateway.memory import Memory
from benchmarks.gateway.summary import Goal, Summary

USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 4},
}
LINE = {
    "request_id": "1", "client": "a", "model": "chat", "replica": "one",
    "prompt_tokens": 9, "cached_tokens": 4, "completion_tokens": 3,
}  # fmt: skip
BILLED = {**LINE, "requests": 1}
REST: dict[str, Any] = {
    "services": {"chat": {"waiting": 0, "replicas": {"one": {"in_flight": 0}}}},
    "clients": {"a": {"in_flight": 0}},
}


def rows(load: str, figure: str, **values: list[float]) -> list[dict[str, Any]]:
    names = {"direct": DIRECT, "gateway": GATEWAY, "plain": PLAIN}
    return [
        {"door": names[door], "load": load, "body_bytes": 2048, figure: value}
        for turn in range(3)
        for door, each in values.items()
        for value in [each[turn]]
    ]


def test_what_is_added_is_taken_within_a_round() -> None:
    """A slow round is slow for both: medians of each alone would say 5."""
    summary = Summary(rows(LIGHT, "p50_ms", direct=[1, 9, 2], gateway=[2, 10, 6]))
    assert summary.added_ms("p50_ms", GATEWAY, LIGHT, 2048) == 1


def test_ratios_are_taken_within_a_round() -> None:
    summary = Summary(rows(FULL, "requests_per_s", plain=[10, 100, 40], gateway=[5, 60, 10]))
    assert summary.ratio("requests_per_s", GATEWAY, PLAIN, FULL, 2048) == 0.5


@pytest.mark.parametrize(
    ("measured", "at_least", "kept"), [(0.2, False, True), (0.3, False, False), (0.1, True, False)]
)
def test_a_goal_is_kept_or_missed(measured: float, at_least: bool, kept: bool) -> None:
    goal = Goal("words", measured, 0.2, at_least)
    assert goal.is_kept is kept
    assert ("MISSED" in str(goal)) is not kept


def judged(folder: Path, notes: list[tuple[str, str]], tally: Tally, **more: Any) -> list[str]:
    journals = {name: folder / name for name in ("one", "two")}
    for name, event in notes:
        with journals[name].open("a") as journal:
            said = {"event": event, "id": "1", "client": "a", "usage": USAGE}
            journal.write(json.dumps(said) + "\n")
    given = {"state": REST, "usage": [BILLED], "log": [LINE], **more}
    return faults(tally, given["state"], given["usage"], given["log"], journals, "two")


ANSWERED = [("one", "begun"), ("one", "answered")]


def test_an_answer_that_all_tell_alike_is_no_fault(tmp_path: Path) -> None:
    assert judged(tmp_path, ANSWERED, Tally(whole={"1": "a"})) == []


def test_a_request_on_the_replica_that_was_killed_may_break(tmp_path: Path) -> None:
    assert judged(tmp_path, [("two", "begun")], Tally(broken={"1": "502"})) == []


@pytest.mark.parametrize(
    ("notes", "tally", "more", "words"),
    [
        (ANSWERED, Tally(broken={"1": "502"}), {}, "broke though their replica lived"),
        ([("one", "begun")], Tally(whole={"1": "a"}), {}, "answered by no engine"),
        ([*ANSWERED, ("two", "begun")], Tally(), {}, "came to engines twice"),
        (ANSWERED, Tally(whole={"1": "a"}), {"log": [{**LINE, "cached_tokens": 0}]}, "logged"),
        (ANSWERED, Tally(whole={"1": "a"}), {"log": [{**LINE, "replica": "two"}]}, "logged"),
        (ANSWERED, Tally(), {"usage": []}, "sums of usage"),
        (ANSWERED, Tally(), {"usage": [{**BILLED, "completion_tokens": 4}]}, "sums of usage"),
        (ANSWERED, Tally(wrong=["a: HTTP 500"]), {}, "not as expected"),
        (
            ANSWERED,
            Tally(),
            {"state": {**REST, "clients": {"a": {"in_flight": 1}}}},
            "still in flight: a 1",
        ),
    ],
)
def test_what_does_not_fit_is_a_fault(
    tmp_path: Path,
    notes: list[tuple[str, str]],
    tally: Tally,
    more: dict[str, Any],
    words: str,
) -> None:
    assert any(words in fault for fault in judged(tmp_path, notes, tally, **more))


@pytest.mark.parametrize(("growth_kib", "fault_count"), [(0, 0), (60, 0), (100, 1)])
def test_memory_that_grows_is_a_fault(growth_kib: int, fault_count: int) -> None:
    """What is taken at the start, in the first third, is none."""
    memory = Memory(0)
    memory.samples = [
        (60.0 * minute, 3, (20_000 if minute > 2 else 0) + growth_kib * minute, 0)
        for minute in range(31)
    ]
    assert len(memory.faults(30)) == fault_count
