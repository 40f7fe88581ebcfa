"""The load that a layout is judged by: the one that a service states, or all that it holds."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.planning.layouts import Layout
from rackwright.planning.loads import stated
from rackwright.sizing import GIB, Split
from tests.samples.fleet import judged, server, spec

SWITCH = server(gpu="h100-sxm-80gb", count=8, link="nvswitch")
SMALL = "llama-3.1-8b-instruct"
TYPICAL_TOKENS = 512 + 128


def found(split: Split, box: dict[str, Any] | None = None, **more: Any) -> Layout:
    layout = judged(SMALL, box or SWITCH, **{"objective": "throughput", **more})[split]
    assert layout.busy is not None and layout.alone is not None
    return layout


def requests(layout: Layout) -> int:
    assert layout.busy is not None
    return layout.busy.concurrency


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_full_is_what_the_kv_cache_holds_of_typical_requests(objective: str) -> None:
    layout = found(Split(), objective=objective)
    assert layout.memory is not None and layout.memory.kv_cache_bytes < 60 * GIB
    held = layout.memory.kv_cache_tokens // TYPICAL_TOKENS
    assert requests(layout) == pytest.approx(held, abs=1)
    assert layout.requests == 8 * requests(layout)


def test_full_is_no_more_than_the_engine_takes_at_once() -> None:
    assert requests(found(Split(2))) == 1024  # its own limit; the KV cache holds half more
    assert requests(found(Split(2), max_num_seqs=100)) == 100


def test_requests_that_are_shorter_than_typical_ones_are_counted_as_such() -> None:
    longest = found(Split(), max_model_len=320)
    assert longest.memory is not None
    assert requests(longest) == min(1024, longest.memory.sequences)


def test_short_requests_do_not_profit_from_windows_that_they_never_fill() -> None:
    """Five of six layers forget all but 1,024 tokens: a short request keeps all of its own."""
    more = {"objective": "throughput", "max_model_len": 32768}
    layout = judged("gemma-3-27b-it", server(), **more)[Split()]
    assert layout.memory is not None
    assert 1 < requests(layout) < layout.memory.kv_cache_tokens // TYPICAL_TOKENS


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, None),
        ({"concurrency": 24}, 24),
        ({"objective": "throughput", "concurrency": 24}, 24),
        ({"objective": {"sequences": 5, "tokens": 4096, "tpot_ms": 50}, "concurrency": 24}, 5),
    ],
)
def test_a_load_that_is_stated_is_the_load(more: dict[str, Any], expected: int | None) -> None:
    assert stated(spec(**more)) == expected


@pytest.mark.parametrize(("count", "each", "asked"), [(1, 1, 1), (8, 1, 8), (12, 2, 6), (64, 8, 8)])
def test_a_stated_load_is_dealt_over_the_replicas(count: int, each: int, asked: int) -> None:
    layout = found(Split(), concurrency=count)
    assert (requests(layout), layout.asked) == (each, asked)
    assert layout.requests == each * asked >= count
    assert layout.busy is not None
    assert layout.out_tok_s == layout.busy.out_tok_s * asked


def test_speeds_of_few_requests_are_kept_beside_those_of_many() -> None:
    full, few = found(Split()), found(Split(), concurrency=64)
    assert [speed.concurrency for speed in full.between] == [64, 256]
    assert not few.between
    assert full.alone == few.alone
