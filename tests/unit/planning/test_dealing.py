"""Experts, groups of ranks and tokens of a cache dealt over ranks: what is considered, and why not.

The rules are vLLM 0.32's: determine_expert_map, ParallelConfig and ModelConfig.
"""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.engines import ENGINES
from rackwright.models import Shape
from rackwright.planning.choosing import choose
from rackwright.planning.dealing import undealt
from rackwright.planning.layouts import split_name, split_names
from rackwright.planning.messages import JOINED_LAYER_US, JOINED_PROMPTS_US, Sent, messages_s
from rackwright.planning.work import work_of
from rackwright.sizing import Split
from tests.samples.configs import QWEN_60 as QWEN
from tests.samples.fleet import judged, server, shape, spec

SWITCH = server(count=8, link="nvswitch")
PAIR = server(count=2)
V3, V32, LITE = "deepseek-v3", "deepseek-v3.2", "deepseek-v2-lite-chat"
VLLM, SGLANG = ENGINES["vllm"].splits, ENGINES["sglang"].splits


# --- experts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "split", "engine", "reason"),
    [
        (QWEN, Split(8, 1, True), VLLM, ""),
        (QWEN, Split(8, 1, True), SGLANG, "60 experts do not divide that way"),
        (QWEN, Split(4, 1, True), SGLANG, ""),
        (QWEN, Split(8), SGLANG, ""),
        (QWEN, Split(8, 1, True, 8), VLLM, "60 experts are too few for 64 ranks"),
        ("gpt-oss-20b", Split(1, 1, True, 3), VLLM, "32 experts do not divide that way"),
        ("gpt-oss-20b", Split(1, 1, True, 4), VLLM, ""),
    ],
)
def test_whole_experts_may_be_uneven_where_the_engine_deals_them_so(
    model: Any, split: Split, engine: Any, reason: str
) -> None:
    assert undealt(split, shape(model), engine) == reason


def test_sixty_experts_on_eight_ranks_are_planned() -> None:
    assert judged(QWEN, SWITCH)[Split(8, 1, True)].feasible


def test_the_fullest_rank_does_the_work_of_eight_of_sixty_experts() -> None:
    uneven = work_of(shape(QWEN), Split(8, 1, True), 0, "auto")
    whole = work_of(shape(QWEN), Split(), 0, "auto")
    assert uneven.expert_flops == pytest.approx(whole.expert_flops * 8 / 60)
    assert uneven.expert_bytes == 24 * 8 * 3 * 2048 * 1408 * 2


# --- a latent cache dealt over ranks -----------------------------------------------------------


def test_every_part_of_a_group_is_considered_for_a_latent_cache() -> None:
    found = judged(V3, SWITCH)
    assert {split.context for split in found if split.tensor == 8} == {1, 2, 4, 8}
    assert {split.context for split in judged("llama-3.1-8b-instruct", SWITCH)} == {1}
    assert {split.context for split in judged(V32, SWITCH)} == {1}


@pytest.mark.parametrize(
    ("model", "split", "reason"),
    [
        (V3, Split(8, context=8), ""),
        (V3, Split(8, context=3), "tokens are not dealt over 3 of 8 ranks, that is no part"),
        (V32, Split(8, context=8), "tokens that an indexer chooses of are not dealt over ranks"),
        (
            "kimi-linear-48b-a3b-instruct",
            Split(8, context=8),
            "tokens are dealt over ranks where attention is latent alone",
        ),
        (
            "llama-3.1-8b-instruct",
            Split(8, context=2),
            "tokens are dealt over ranks where attention is latent alone",
        ),
    ],
)
def test_tokens_are_dealt_or_it_is_said_why_not(model: str, split: Split, reason: str) -> None:
    assert undealt(split, shape(model), VLLM) == reason


@pytest.mark.parametrize("asked", [1, 2, 8])
def test_the_operator_decides_over_how_many_ranks(asked: int) -> None:
    found = judged(V3, SWITCH, tensor_parallel_size=8, decode_context_parallel_size=asked)
    assert {split.context for split in found} == {asked}


def test_what_cannot_be_dealt_as_asked_is_said() -> None:
    found = judged("llama-3.1-8b-instruct", decode_context_parallel_size=2)
    assert "latent alone" in found[Split(2, 1, False, 1, 2)].reason


def test_one_rank_has_nobody_to_deal_tokens_to() -> None:
    asked = {"tensor_parallel_size": 1, "decode_context_parallel_size": 2}
    found = judged(LITE, PAIR, **asked)
    assert "over 2 of 1 ranks" in found[Split(1, 1, False, 1, 2)].reason


def test_stages_are_combined_with_it_where_that_is_asked_for() -> None:
    assert {split.context for split in judged(V3, SWITCH) if split.pipeline > 1} == {1}
    asked = judged(V3, SWITCH, decode_context_parallel_size=4, tensor_parallel_size=4)
    assert asked[Split(4, 2, False, 1, 4)].feasible


def test_what_needs_more_than_what_is_too_large_already_is_not_named() -> None:
    found = judged(V3, server(gpu="h100-sxm-80gb", count=8, link="nvswitch"))
    assert "too few" in found[Split(8)].reason
    assert {(split.data, split.context) for split in found} == {(1, 1)}


# --- data parallel groups ----------------------------------------------------------------------


def test_groups_that_use_all_gpus_are_considered_for_mixtures_with_a_latent_cache() -> None:
    found = judged(LITE, SWITCH)
    sizes = {(split.data, split.tensor) for split in found if split.data > 1}
    assert sizes == {(2, 1), (4, 1), (8, 1), (2, 2), (4, 2), (2, 4)}
    assert all(split.expert_parallel for split in found if split.data > 1)
    for model in ("llama-3.1-8b-instruct", "qwen3-30b-a3b"):
        assert {split.data for split in judged(model, SWITCH)} == {1}


def test_the_operator_decides_how_many_groups() -> None:
    assert {split.data for split in judged(V3, SWITCH, data_parallel_size=1)} == {1}
    assert {split.data for split in judged(V3, SWITCH, expert_parallel=False)} == {1}
    assert set(judged("qwen3-30b-a3b", PAIR, data_parallel_size=2)) == {Split(1, 1, True, 2)}
    four = judged(V3, SWITCH, data_parallel_size=4, tensor_parallel_size=2)
    assert {split for split in four if split.context == 1} == {Split(2, 1, True, 4)}


def test_groups_lie_together_and_take_all_their_gpus() -> None:
    found = judged(LITE, SWITCH)
    assert found[Split(1, 1, True, 8)].groups == ((0, 1, 2, 3, 4, 5, 6, 7),)
    assert len(found[Split(2, 1, True, 2)].groups) == 2


def test_groups_are_planned_on_one_server_without_stages() -> None:
    found = judged(LITE, PAIR, data_parallel_size=2, nodes=2)
    assert {layout.reason for layout in found.values()} == {
        "data parallel groups are planned on one server, without stages"
    }


def test_more_gpus_than_there_are_is_said() -> None:
    (layout,) = judged(V3, PAIR, data_parallel_size=4).values()
    assert layout.reason == "needs 4 GPUs a server, 2 may be used"
    (layout,) = judged(V3, SWITCH, data_parallel_size=4, tensor_parallel_size=4).values()
    assert layout.reason == "needs 16 GPUs a server, 8 may be used"


# --- which is better ---------------------------------------------------------------------------


def chosen(model: str, **more: Any) -> Split:
    found = list(judged(model, SWITCH, **more).values())
    best, others = choose(spec(**more), found)
    assert best and all(layout.reason for layout in others)
    return best.split


def test_one_request_is_answered_fastest_by_ranks_that_share_everything() -> None:
    split = chosen(V3, objective="latency")
    assert (split.tensor, split.data, split.context) == (8, 1, 1)


def test_full_gpus_give_most_as_groups_with_attention_of_their_own() -> None:
    assert chosen(V3, objective="throughput").data > 1


def test_many_long_requests_fit_where_their_cache_is_on_no_two_ranks() -> None:
    """48 of 65,536 tokens: 3.1 million, of which 8 ranks hold 0.6 million each, the same."""
    asked = {"max_model_len": 65536, "objective": "latency"}
    found = judged(V3, SWITCH, concurrency=48, **asked)
    assert "48 are wanted" in found[Split(8)].reason
    assert found[Split(8, context=8)].feasible
    split = chosen(V3, concurrency=48, **asked)
    assert (split.tensor, split.context) == (8, 8)
    found = judged(V3, SWITCH, concurrency=128, **asked)
    assert "128 are wanted" in found[Split(8, context=8)].reason  # holds more, though too few


# --- what it is called, and what it costs ------------------------------------------------------


def test_splits_are_named_as_people_write_them() -> None:
    assert split_name(Split(1, 1, True, 8)) == "DP 8 TP 1 EP"
    assert split_name(Split(8, 1, True, 1, 8)) == "TP 8 EP DCP 8"
    assert split_name(Split(4, 2)) == "TP 4 PP 2"
    found = judged(V3, SWITCH)
    layouts = [found[Split(8, context=2)], found[Split(1, 1, True, 8)]]
    assert split_names(layouts) == "TP 8 DCP 2; DP 8 TP 1 EP"


def sent_us(model: Shape, split: Split, tokens: int, *, prompts: bool = False) -> float:
    from rackwright.catalog import gpu_types, link

    wires = link("nvswitch", gpu_types()["h200-sxm-141gb"])
    work = work_of(model, split, 0, "auto")
    return (
        messages_s(model, split, wires, work, Sent(tokens, 8 * tokens, 0 if prompts else tokens))
        * 1e6
    )


def test_what_ranks_say_to_one_another_by_hand() -> None:
    """DeepSeek V3: 61 layers, 58 with experts, hidden states of 7,168, 128 heads of 576."""
    from rackwright.catalog import gpu_types, link

    wires, model = link("nvswitch", gpu_types()["h200-sxm-141gb"]), shape(V3)
    size = 7168 * 2 * 16
    sums = 2 * 61 * wires.all_reduce_us(size, 8)
    assert sent_us(model, Split(8), 16) == pytest.approx(sums)
    queries = 16 * 128 * 576 * 2
    joined = 2 * wires.gather_us(queries, 8) + wires.gather_us(8 * 16 * 128 * 4, 8)
    joined += JOINED_LAYER_US
    assert sent_us(model, Split(8, context=8), 16) == pytest.approx(sums + 61 * joined)
    read = sent_us(model, Split(8, context=8), 16, prompts=True)
    assert read == pytest.approx(sums + JOINED_PROMPTS_US)
    dealt = 58 * 2 * wires.gather_us(8 * size, 8)
    assert sent_us(model, Split(1, 1, True, 8), 16) == pytest.approx(dealt)


def test_gathering_takes_half_of_summing_up_outside_graphs_and_a_send_a_doubling() -> None:
    from rackwright.catalog import gpu_types, link

    wires = link("nvswitch", gpu_types()["h200-sxm-141gb"])
    assert wires.gather_us(2**20, 1) == 0
    assert wires.gather_us(0, 8) == 3 * wires.send_latency_us
    half = (wires.all_reduce_us(2**30, 8, False) - wires.all_reduce_latency_us[8]) / 2
    assert wires.gather_us(2**30, 8) - wires.gather_us(0, 8) == pytest.approx(half)
