"""Every way to lay a service out, and the reason for each that cannot be or was not wanted."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.models import NAMED, Shape
from rackwright.planning.layouts import Layout, split_names
from rackwright.planning.reasons import too_small
from rackwright.planning.splitting import indivisible
from rackwright.sizing import GIB, GpuMemory, Limits, Split
from tests.samples.fleet import TINY, config, judged, server, shape

LIMITS = Limits(0.9, 256, 2048, 8192)
PCIE = server(gpu="l40s-48gb", count=8, link="pcie")
NUMA = {**PCIE, "numa_nodes": [[0, 2, 4, 6], [1, 3, 5, 7]]}
PAIRS = server(gpu="h100-nvl-94gb", count=4)
SWITCH = server(count=8, link="nvswitch")
MIXTURE = "qwen3-30b-a3b"


# --- what does not divide ----------------------------------------------------------------------


def tiny(**changed: Any) -> Shape:
    return shape({**TINY["config"], **changed})


def mixture(**changed: Any) -> Shape:
    """A small mixture of experts: 8 heads, 4 KV heads, 8 experts of width 256."""
    small = {
        "hidden_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 256,
        "vocab_size": 512,
    }
    return shape(config(MIXTURE, **small | changed))


INDIVISIBLE: dict[str, tuple[Shape, Split, str]] = {
    "whole": (tiny(), Split(), ""),
    "halves": (tiny(), Split(2), ""),
    "KV heads are copied where there are fewer than ranks": (tiny(), Split(4), ""),
    "attention heads": (tiny(), Split(3), "4 attention and 2 KV heads do not divide that way"),
    "KV heads": (
        tiny(num_attention_heads=12, num_key_value_heads=4),
        Split(3),
        "12 attention and 4 KV heads do not divide that way",
    ),
    "heads of latent attention have no KV heads": (
        shape("deepseek-v3"),
        Split(3),
        "128 attention heads do not divide that way",
    ),
    "the vocabulary": (
        tiny(num_attention_heads=6, num_key_value_heads=3),
        Split(3),
        "a vocabulary of 512 (padded) does not divide that way",
    ),
    "a vocabulary that is padded does": (tiny(vocab_size=509), Split(4), ""),
    "the width of the MLP": (
        tiny(num_attention_heads=6, num_key_value_heads=3, vocab_size=192),
        Split(3),
        "MLP width 512 does not divide that way",
    ),
    "the width of experts": (
        mixture(moe_intermediate_size=100),
        Split(8),
        "expert width 100 does not divide that way",
    ),
    "whole experts have their whole width": (
        mixture(moe_intermediate_size=100),
        Split(8, expert_parallel=True),
        "",
    ),
    "experts": (
        mixture(num_experts=6),
        Split(4, expert_parallel=True),
        "6 experts do not divide that way",
    ),
    "shared experts need not": (mixture(num_experts=6), Split(4), ""),
    "blocks of a quantization": (
        shape("qwen3-235b-a22b-instruct-2507-fp8"),
        Split(8),
        "expert width 1536 divided by 8 is no multiple of the quantization's blocks of 128",
    ),
    "blocks of whole experts": (
        shape("qwen3-235b-a22b-instruct-2507-fp8"),
        Split(8, expert_parallel=True),
        "",
    ),
    "blocks on one rank": (
        tiny(intermediate_size=100).with_quantization(NAMED["awq"]),
        Split(1, 2),
        "",
    ),
    "blocks of a dense model": (
        tiny().with_quantization(NAMED["gptq"]),
        Split(4),
        "",
    ),
    "blocks too small": (
        tiny(num_attention_heads=8, num_key_value_heads=8).with_quantization(NAMED["gptq"]),
        Split(8),
        "MLP width 512 divided by 8 is no multiple of the quantization's blocks of 128",
    ),
    "layers": (tiny(), Split(1, 3), "2 layers are too few for 3 stages"),
    "a layer for each stage": (tiny(), Split(1, 2), ""),
}


@pytest.mark.parametrize(("model", "split", "reason"), INDIVISIBLE.values(), ids=INDIVISIBLE)
def test_a_model_divides_or_it_is_said_why_not(model: Shape, split: Split, reason: str) -> None:
    assert indivisible(split, model) == reason


# --- what does not fit -------------------------------------------------------------------------


def memory(**changed: float) -> GpuMemory:
    """A GPU of 100 GiB that is full to 90, sizes in GiB."""
    sizes = {"total": 100, "usable": 90, "weights": 40, "peak_activation": 8, "overhead": 2}
    sizes |= {"kv_cache": 40, "cuda_graph": 5, "graphs_inside": 0, "context": 0}
    counts = {"kv_cache_tokens": 80_000, "sequences": 9}
    counts |= {key: int(changed.pop(key)) for key in tuple(changed) if key in counts}
    parts = {f"{key}_bytes": round(size * GIB) for key, size in (sizes | changed).items()}
    return GpuMemory(**parts, **counts)


SMALL: dict[str, tuple[GpuMemory, str]] = {
    "enough": (memory(), ""),
    "just enough": (memory(kv_cache=0, sequences=1, cuda_graph=10), ""),
    "weights": (
        memory(weights=131.4, kv_cache=-51.4, sequences=0),
        "90.0 GiB a GPU are usable, weights need 131.4, activations and overhead 10.0: "
        "51.4 GiB too few",
    ),
    "the KV cache": (
        memory(kv_cache=1.5, kv_cache_tokens=4096, sequences=0),
        "1.5 GiB a GPU are left for the KV cache, 4,096 tokens, fewer than one sequence of 8,192",
    ),
    "graphs": (
        memory(cuda_graph=10.5),
        "gpu_memory_utilization 0.9 leaves 10.0 GiB a GPU, CUDA graphs and context need 10.5",
    ),
    "graphs and what CUDA keeps itself": (
        memory(cuda_graph=10, context=0.5),
        "gpu_memory_utilization 0.9 leaves 10.0 GiB a GPU, CUDA graphs and context need 10.5",
    ),
    "graphs that the engine counts itself": (memory(cuda_graph=12, graphs_inside=3), ""),
}


@pytest.mark.parametrize(("found", "reason"), SMALL.values(), ids=SMALL)
def test_a_gpu_is_large_enough_or_it_is_said_by_how_much_not(found: GpuMemory, reason: str) -> None:
    assert too_small(found, LIMITS) == reason


def test_weights_that_are_too_large_are_named_for_each_size() -> None:
    found = judged("llama-3.3-70b-instruct")
    assert "weights need 131.4, activations" in found[Split(1)].reason
    assert found[Split(1)].reason.endswith(" GiB too few")
    assert not found[Split(2)].reason


def test_a_context_must_fit_whole() -> None:
    found = judged("llama-3.1-8b-instruct", server(1, "l4-24gb", 1, "none"), max_model_len=131072)
    assert found[Split()].reason.endswith("tokens, fewer than one sequence of 131,072")


def test_graphs_must_fit_beside_the_share_of_the_engine() -> None:
    box = server(1, "l4-24gb", 1, "none")
    found = judged("llama-3.1-8b-instruct", box, gpu_memory_utilization=0.99)
    assert found[Split()].reason.startswith("gpu_memory_utilization 0.99 leaves 0.2 GiB a GPU, ")
    plain, eager = (
        judged("llama-3.1-8b-instruct", box, enforce_eager=each)[Split()].memory
        for each in (False, True)
    )
    assert plain is not None and eager is not None
    assert plain.free_bytes < eager.free_bytes and eager.cuda_graph_bytes == 0


def test_all_requests_that_are_wanted_must_fit_at_once() -> None:
    found = judged("llama-3.1-8b-instruct", concurrency=100_000)
    for layout in found.values():
        assert layout.memory is not None
        total = layout.memory.sequences * len(layout.groups)
        assert layout.reason == f"KV cache for {total} sequences of 8,192, 100000 are wanted"
    assert not judged("llama-3.1-8b-instruct", concurrency=8)[Split()].reason


def test_replicas_share_the_requests_that_are_wanted() -> None:
    alone = judged("llama-3.1-8b-instruct", replicas=1, concurrency=1)[Split()].memory
    assert alone is not None
    wanted = 2 * alone.sequences
    assert not judged("llama-3.1-8b-instruct", concurrency=wanted)[Split()].reason
    assert judged("llama-3.1-8b-instruct", replicas=1, concurrency=wanted)[Split()].reason


def test_replicas_that_are_asked_for_must_have_room() -> None:
    found = judged("llama-3.1-8b-instruct", replicas=2)
    assert found[Split(2)].reason == "room for 1 of the 2 replicas asked for"
    assert len(found[Split()].groups) == 2 and not found[Split()].reason


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


# --- which splits are considered ---------------------------------------------------------------


@pytest.mark.parametrize("box", [server(count=1, link="none"), server(), PAIRS, SWITCH, NUMA])
@pytest.mark.parametrize("model", ["llama-3.1-8b-instruct", MIXTURE])
def test_every_size_is_named_and_none_that_cannot_be(model: str, box: dict[str, Any]) -> None:
    found = judged(model, box)
    count = box["gpus"]["count"]
    assert {split.tensor for split in found} == set(range(1, count + 1))
    assert all(split.gpus <= count for split in found)


def test_a_size_that_does_not_divide_is_named_without_stages() -> None:
    found = judged("llama-3.1-8b-instruct", SWITCH)
    assert [split for split in found if split.tensor == 3] == [Split(3)]
    assert [split.pipeline for split in found if split.tensor == 2] == [1, 2, 3, 4]


def test_whole_experts_a_rank_are_considered_for_mixtures_alone() -> None:
    assert not any(split.expert_parallel for split in judged("llama-3.1-8b-instruct", SWITCH))
    found = judged(MIXTURE, SWITCH)
    assert {split.tensor for split in found if split.expert_parallel} == {2, 4, 8}
    assert Split(4) in found  # beside ranks that share every expert


def test_whole_experts_are_not_named_where_they_fail_as_shared_ones_do() -> None:
    found = judged(MIXTURE, server(gpu="l4-24gb", count=2, link="pcie"))
    assert found[Split(2)].reason and Split(2, 1, True) not in found
    blocks = judged("qwen3-235b-a22b-instruct-2507-fp8", SWITCH)
    assert "blocks of 128" in blocks[Split(8)].reason
    assert not blocks[Split(8, 1, True)].reason


@pytest.mark.parametrize("asked", [True, False])
def test_the_operator_decides_how_experts_are_held(asked: bool) -> None:
    found = judged(MIXTURE, SWITCH, expert_parallel=asked)
    assert {split.expert_parallel for split in found if split.tensor > 1} == {asked}


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, {Split(2, 2)}),
        ({"tensor_parallel_size": 4}, {Split(4), Split(4, 2)}),
        ({"tensor_parallel_size": {"gpu1": 8}}, {Split(8)}),
        ({"pipeline_parallel_size": 4}, {Split(t, 4) for t in (1, 2, 4, 8)}),
    ],
)
def test_the_operator_decides_sizes(more: dict[str, Any], expected: set[Split]) -> None:
    found = judged("llama-3.1-8b-instruct", SWITCH, **more)
    assert {split for split in found if not indivisible(split, shape("llama-3.1-8b-instruct"))} == (
        expected
    )


def test_more_gpus_than_there_are_is_said() -> None:
    found = judged("llama-3.1-8b-instruct", tensor_parallel_size=4)
    assert found[Split(4)].reason == "needs 4 GPUs a server, 2 may be used"
    found = judged("llama-3.1-8b-instruct", SWITCH, gpus=(0, 5), tensor_parallel_size=4)
    assert found[Split(4)].reason == "needs 4 GPUs a server, 2 may be used"


# --- groups ------------------------------------------------------------------------------------


GROUPS: dict[str, tuple[dict[str, Any], Split, list[tuple[int, ...]], str]] = {
    "NVSwitch joins all": (SWITCH, Split(4), [(0, 1, 2, 3), (4, 5, 6, 7)], ""),
    "bridges join pairs": (PAIRS, Split(2), [(0, 1), (2, 3)], ""),
    "islands that are listed": (
        {**PAIRS, "nvlink_islands": [[0, 3], [1, 2]]},
        Split(2),
        [(0, 3), (1, 2)],
        "",
    ),
    "no island is listed": (
        {**PAIRS, "nvlink_islands": []},
        Split(2),
        [(0, 1), (2, 3)],
        "across PCIe",
    ),
    "beyond an island": (
        PAIRS,
        Split(4),
        [(0, 1, 2, 3)],
        "across PCIe at every layer (NVLink joins 2",
    ),
    "without NVLink": (PCIE, Split(2), [(0, 1), (2, 3), (4, 5), (6, 7)], "(NVLink joins none of"),
    "inside a NUMA node": (NUMA, Split(4), [(0, 2, 4, 6), (1, 3, 5, 7)], "across PCIe"),
    "pairs inside a NUMA node": (
        NUMA,
        Split(2),
        [(0, 2), (4, 6), (1, 3), (5, 7)],
        "across PCIe",
    ),
    "from NUMA node to NUMA node": (
        NUMA,
        Split(8),
        [tuple(range(8))],
        "from one NUMA node to another at every layer",
    ),
    "a remainder is left": (SWITCH, Split(1, 3), [(0, 1, 2), (3, 4, 5)], ""),
    "stages of whole islands": (PAIRS, Split(2, 2), [(0, 1, 2, 3)], ""),
    "stages across PCIe": (PCIE, Split(1, 4), [(0, 1, 2, 3), (4, 5, 6, 7)], ""),
}


@pytest.mark.parametrize(("box", "split", "groups", "reason"), GROUPS.values(), ids=GROUPS)
def test_groups_and_what_they_talk_over(
    box: dict[str, Any], split: Split, groups: list[tuple[int, ...]], reason: str
) -> None:
    layout = judged("qwen3-8b", box)[split]
    assert list(layout.groups) == groups
    assert layout.across is bool(reason)
    assert reason in layout.reason and bool(reason) == bool(layout.reason)
    assert layout.feasible


def test_groups_stay_in_a_numa_node_when_the_operator_accepts_pcie() -> None:
    found = judged("qwen3-32b", NUMA, tensor_parallel_size=4)[Split(4)]
    assert found.groups == ((0, 2, 4, 6), (1, 3, 5, 7))
    assert not found.reason and not found.across
    assert not judged("qwen3-32b", NUMA, tensor_parallel_size=8)[Split(8)].reason


def test_what_crosses_pcie_says_how_to_accept_it_and_at_what_price() -> None:
    layout = judged("qwen3-32b", PCIE)[Split(4)]
    assert layout.alone is not None
    assert layout.reason == (
        "fits, but a group of 4 would talk across PCIe at every layer (NVLink joins none of them); "
        f"tensor_parallel_size=4 accepts that, at {layout.alone.tpot_ms:.1f} ms a token"
    )
    assert layout.feasible and layout.across


def test_what_does_not_fit_says_so_before_it_speaks_of_pcie() -> None:
    layout = judged("llama-3.3-70b-instruct", PCIE)[Split(2)]
    assert "GiB too few" in layout.reason
    assert not layout.across and not layout.feasible


def test_only_gpus_that_may_be_used_are() -> None:
    found = judged("qwen3-8b", SWITCH, gpus=(1, 2, 5, 6, 7))
    assert found[Split(2)].groups == ((1, 2), (5, 6))
    assert found[Split(4)].groups == ((1, 2, 5, 6),)
    pairs = judged("qwen3-8b", PAIRS, gpus=(1, 2))
    assert pairs[Split(2)].across and pairs[Split(2)].groups == ((1, 2),)


def test_stages_pass_on_over_the_link_that_joins_them() -> None:
    """Two pairs of bridges: stages inside a pair talk over NVLink, those of two pairs do not."""
    inside = judged("qwen3-32b", PAIRS, pipeline_parallel_size=2)[Split(1, 2)]
    apart = {**PAIRS, "nvlink_islands": [[0], [1], [2], [3]]}
    outside = judged("qwen3-32b", apart, pipeline_parallel_size=2)[Split(1, 2)]
    assert inside.busy is not None and outside.busy is not None
    assert inside.busy.ttft_ms < outside.busy.ttft_ms


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


def test_splits_are_named_as_people_write_them() -> None:
    splits = [Split(1), Split(2), Split(4), Split(2, 2), Split(8, 1, True), Split(4, 2, True)]
    names = split_names([Layout(split) for split in splits])
    assert names == "TP 1, 2, 4; TP 2 PP 2; TP 8 EP; TP 4 PP 2 EP"
