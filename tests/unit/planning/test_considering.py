"""Every way to lay a service out, and the reason for each that cannot be or was not wanted."""

from __future__ import annotations

import re
from typing import Any

import pytest

from rackwright.models.tasks import pooled
from rackwright.planning.layouts import Layout
from rackwright.sizing import Split, blocks_per_request
from tests.samples.fleet import judged, server
from tests.samples.measured import measured

PCIE = server(gpu="l40s-48gb", count=8, link="pcie")
NUMA = {**PCIE, "numa_nodes": [[0, 2, 4, 6], [1, 3, 5, 7]]}
PAIRS = server(gpu="h100-nvl-94gb", count=4)
SWITCH = server(count=8, link="nvswitch")
MIXTURE = "qwen3-30b-a3b"


# --- a target in numbers -----------------------------------------------------------------------


def target(tpot_ms: float = 10_000, sequences: int = 64, tokens: int = 8192) -> dict[str, float]:
    return {"sequences": sequences, "tokens": tokens, "tpot_ms": tpot_ms}


def test_a_target_is_met_in_sequences_and_in_time() -> None:
    found = judged("llama-3.1-8b-instruct", SWITCH, objective=target())
    assert not found[Split(1)].reason
    hasty = judged("llama-3.1-8b-instruct", SWITCH, objective=target(0.001))
    busy = hasty[Split(1)].busy
    assert busy is not None
    assert hasty[Split(1)].reason == (
        f"{busy.tpot_ms:.1f} ms a token with 64 sequences of 8,192, 0.001 are wanted"
    )
    many = judged("llama-3.1-8b-instruct", SWITCH, objective=target(sequences=100_000))
    assert many[Split(1)].reason.endswith(" sequences of 8,192, 100000 are wanted")


def test_a_target_is_judged_with_its_own_length_of_requests() -> None:
    box = server(1, "l40s-48gb", 1, "none")
    whole = judged("llama-3.1-8b-instruct", box, concurrency=60)[Split()]
    assert whole.reason
    short = judged("llama-3.1-8b-instruct", box, objective=target(sequences=60, tokens=512))
    assert not short[Split()].reason


def test_a_target_counts_what_replicas_do_together() -> None:
    found = judged("llama-3.1-8b-instruct", SWITCH, objective=target(sequences=64))[Split(1)]
    assert found.busy is not None and found.busy.concurrency == 8


# --- several servers ---------------------------------------------------------------------------


def test_over_servers_stages_go_across_and_ranks_stay_inside() -> None:
    found = judged("llama-3.1-405b-instruct", SWITCH, nodes=2)
    assert all(split.pipeline % 2 == 0 for split in found)
    assert max(split.tensor for split in found) == 8
    assert all(layout.nodes == 2 for layout in found.values())
    assert found[Split(8, 2)].groups == (tuple(range(8)),)
    assert found[Split(4, 4)].groups == (tuple(range(8)),)
    assert found[Split(4, 2)].groups == ((0, 1, 2, 3), (4, 5, 6, 7))


def test_over_servers_memory_is_that_of_one_gpu_all_the_same() -> None:
    two = judged("qwen3-8b", SWITCH, nodes=2)[Split(4, 2)]
    one = judged("qwen3-8b", SWITCH)[Split(4, 2)]
    assert two.memory == one.memory
    assert (two.nodes, one.nodes) == (2, 1)


def test_a_slow_network_costs_time_and_a_fast_one_less() -> None:
    def ttft(gbit_per_s: float, nodes: int = 2) -> float:
        box = {**SWITCH, "network_gbit_per_s": gbit_per_s}
        speed = judged("llama-3.3-70b-instruct", box, nodes=nodes)[Split(8, 2 * (nodes - 1))].busy
        assert speed is not None
        return speed.ttft_ms

    assert ttft(1) > ttft(10) > ttft(400)


def test_ranks_over_the_network_are_an_offer_only_when_asked_for() -> None:
    sizes = {"tensor_parallel_size": 16, "pipeline_parallel_size": 1}
    found = judged("llama-3.1-405b-instruct", SWITCH, nodes=2, **sizes)
    assert set(found) == {Split(16)}
    layout, inside = found[Split(16)], judged("llama-3.1-405b-instruct", SWITCH, nodes=2)
    assert not layout.reason and layout.groups == (tuple(range(8)),)
    assert layout.alone is not None and inside[Split(8, 2)].alone is not None
    assert layout.alone.tpot_ms > inside[Split(8, 2)].alone.tpot_ms


def test_gpus_must_divide_over_the_servers() -> None:
    found = judged("qwen3-8b", SWITCH, nodes=2, pipeline_parallel_size=3, tensor_parallel_size=1)
    assert found[Split(1, 3)].reason == "3 GPUs do not divide over 2 servers"


# --- what holds for all ------------------------------------------------------------------------


BOXES = [
    server(count=1, link="none"),
    SWITCH,
    PAIRS,
    NUMA,
    server(gpu="rtx-3090-24gb", count=4),
    server(gpu="gh200-96gb", count=1, link="none"),
]


@pytest.mark.parametrize(
    "box", BOXES, ids=[f"{b['gpus']['type']}-{b['gpus']['count']}" for b in BOXES]
)
@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize(
    "more", [{}, {"replicas": 2}, {"concurrency": 40}, {"objective": target(50)}]
)
@pytest.mark.parametrize("model", ["llama-3.3-70b-instruct", "qwen3-8b", MIXTURE, "deepseek-v3"])
def test_every_layout_is_sound(
    model: str, more: dict[str, Any], nodes: int, box: dict[str, Any]
) -> None:
    found = judged(model, box, nodes=nodes, **more)
    assert found
    for layout in found.values():
        check_groups(layout, box, more.get("replicas"))
        check_reason(layout)


def check_groups(layout: Layout, box: dict[str, Any], replicas: int | None) -> None:
    used = [gpu for group in layout.groups for gpu in group]
    assert len(set(used)) == len(used) and set(used) <= set(range(box["gpus"]["count"]))
    assert all(len(group) * layout.nodes == layout.split.gpus for group in layout.groups)
    assert replicas is None or len(layout.groups) <= replicas


def check_reason(layout: Layout) -> None:
    if layout.feasible:
        assert layout.memory and layout.alone and layout.busy and layout.groups
        memory = layout.memory
        assert memory.kv_cache_bytes > 0 and memory.free_bytes >= 0 and memory.sequences >= 1
        assert layout.alone.concurrency == 1 <= layout.busy.concurrency
        assert layout.out_tok_s > 0 and layout.alone.tpot_ms > 0
        assert bool(layout.reason) == layout.across
    else:
        assert any(map(str.isdigit, layout.reason)) and not layout.across


def test_a_replica_that_nobody_asks_gives_no_tokens() -> None:
    found = judged("qwen3-8b", SWITCH, concurrency=1)
    alone = found[Split(1)]
    assert len(alone.groups) == 8 and alone.alone is not None
    assert alone.out_tok_s == alone.alone.out_tok_s


# --- more sequences than an engine starts with -------------------------------------------------

HYBRID = measured("nemotron-3-nano-30b").shape
"""Nemotron 3 Nano on one H100: vLLM had 784 blocks, and did not start with its own 1024. Deployed
it has 1.05 GiB more, of 9.41: no estimate of graphs is taken off.
"""
ONE_H100 = server(gpu="h100-sxm-80gb", count=1, link="none")
THERE = 784 * (9.41 + 1.05) / 9.41


def test_an_engine_is_told_of_no_more_sequences_than_it_starts_with() -> None:
    found = judged(HYBRID, ONE_H100)[Split()]
    assert found.feasible and found.memory and found.limits
    assert found.memory.sequences <= found.limits.max_num_seqs < THERE / 2


def test_all_that_the_cache_holds_at_once_are_told() -> None:
    """Requests of one token each, in the cache that so many sequences leave: one more waits."""
    found = judged(HYBRID, ONE_H100)[Split()]
    assert found.limits and found.memory
    told, each = found.limits.max_num_seqs, blocks_per_request(HYBRID, Split(), found.limits, 1)
    assert told <= found.memory.kv_cache_blocks // each
    more = judged(HYBRID, ONE_H100, max_num_seqs=told + 1)[Split()].memory
    assert more and told + 1 > more.kv_cache_blocks // each


def test_weights_that_leave_next_to_nothing_still_serve_a_few() -> None:
    """What the engine's own 1024 take would not fit beside them at all."""
    tight = {"gpu_memory_utilization": 0.77, "max_model_len": 512}
    refused = judged(HYBRID, ONE_H100, max_num_seqs=1024, **tight)[Split()]
    few = judged(HYBRID, ONE_H100, **tight)[Split()]
    assert not refused.feasible and few.feasible
    assert few.limits and few.memory
    assert 1 <= few.memory.sequences <= few.limits.max_num_seqs < 50


def test_what_pools_captures_no_whole_steps_and_is_told_as_many_as_ever() -> None:
    limits = judged(pooled(HYBRID), ONE_H100)[Split()].limits
    assert limits and limits.max_num_seqs == 1024


def test_more_than_it_starts_with_is_refused_with_what_is_accepted() -> None:
    refused = judged(HYBRID, ONE_H100, max_num_seqs=1000)[Split()]
    assert not refused.feasible
    most = re.search(r"max_num_seqs 1,000 must be (\d+) at most, or left out$", refused.reason)
    assert most and int(most[1]) < THERE
    assert judged(HYBRID, ONE_H100, max_num_seqs=int(most[1]))[Split()].feasible


def test_without_graphs_or_states_as_many_are_told_as_ever() -> None:
    for model, more in ((HYBRID, {"enforce_eager": True}), ("llama-3.1-8b-instruct", {})):
        limits = judged(model, ONE_H100, **more)[Split()].limits
        assert limits and limits.max_num_seqs == 1024


def test_where_blocks_are_plenty_nothing_changes() -> None:
    limits = judged(HYBRID, server(count=1, link="none"))[Split()].limits
    assert limits and limits.max_num_seqs == 1024
