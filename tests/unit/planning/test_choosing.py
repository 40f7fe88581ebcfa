from __future__ import annotations

from typing import Any

import pytest

from rackwright.plan import Speed
from rackwright.planning.choosing import CLOSE, choose, last_resort
from rackwright.planning.layouts import Layout
from rackwright.sizing import Split
from tests.samples.fleet import spec

ACROSS = "fits, but a group of 8 would talk across PCIe at every layer"


def layout(
    tensor: int, tpot_ms: float, out_tok_s: float = 100.0, replicas: int = 1, **more: Any
) -> Layout:
    groups = tuple((index,) for index in range(replicas))
    alone = Speed(concurrency=1, tpot_ms=tpot_ms, ttft_ms=10, out_tok_s=1000 / tpot_ms)
    busy = Speed(concurrency=64, tpot_ms=2 * tpot_ms, ttft_ms=99, out_tok_s=out_tok_s)
    asked = len(groups)
    return Layout(Split(tensor), groups, alone=alone, busy=busy, asked=asked, **more)


def impossible(tensor: int) -> Layout:
    return Layout(Split(tensor), reason=f"{tensor} heads do not divide that way")


def test_latency_takes_the_fastest_token_and_throughput_the_most_of_them() -> None:
    layouts = [layout(1, 20, 300, replicas=4), layout(4, 7, 800)]
    assert choose(spec(objective="latency"), layouts)[0] is layouts[1]
    assert choose(spec(objective="throughput"), layouts)[0] is layouts[0]
    target = {"sequences": 64, "tokens": 4096, "tpot_ms": 50}
    assert choose(spec(objective=target), layouts)[0] is layouts[0]


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_what_is_as_good_as_equal_goes_to_the_smaller_replica(objective: str) -> None:
    small, large = layout(2, 10.1, 99), layout(8, 10, 100)
    assert choose(spec(objective=objective), [large, small])[0] is small
    far = layout(2, 10 * CLOSE * 1.01, 100 / CLOSE / 1.01)
    assert choose(spec(objective=objective), [large, far])[0] is large


def test_of_replicas_of_one_size_the_better_is_taken() -> None:
    good, better = layout(4, 10.1), layout(4, 10.0)
    assert choose(spec(), [good, better])[0] is better


def test_everything_else_comes_with_its_reason_and_the_best_first() -> None:
    layouts = [
        impossible(3),
        layout(1, 30),
        layout(8, 9, reason=ACROSS, across=True),
        layout(2, 20),
        layout(4, 10),
        impossible(5),
    ]
    chosen, others = choose(spec(objective="latency"), layouts)
    assert chosen is layouts[4] and not chosen.reason
    assert [each.split.tensor for each in others] == [8, 2, 1, 3, 5]
    assert [each.reason for each in others] == [
        ACROSS,
        *["fits, but serves latency worse"] * 2,
        "3 heads do not divide that way",
        "5 heads do not divide that way",
    ]
    assert [each.feasible for each in others] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("latency", "serves latency worse"),
        ("throughput", "serves throughput worse"),
        ({"sequences": 1, "tokens": 1, "tpot_ms": 1}, "serves throughput within the target worse"),
    ],
)
def test_the_reason_names_the_objective(objective: Any, words: str) -> None:
    _, (other,) = choose(spec(objective=objective), [layout(1, 10, 100), layout(2, 90, 10)])
    assert other.reason == f"fits, but {words}"


def test_what_talks_over_something_slow_is_never_chosen_and_may_be_the_last_resort() -> None:
    slow = [layout(n, 50 / n, 10 * n, reason=ACROSS, across=True) for n in (2, 4, 8)]
    layouts = [impossible(3), *slow]
    assert choose(spec(), layouts) == (None, layouts)
    assert last_resort(spec(objective="latency"), layouts) is slow[2]
    assert last_resort(spec(objective="throughput"), layouts) is slow[2]
    assert last_resort(spec(), [impossible(3)]) is None


def test_nothing_at_all_is_nothing() -> None:
    assert choose(spec(), []) == (None, [])
    assert choose(spec(), [impossible(3)]) == (None, [impossible(3)])
