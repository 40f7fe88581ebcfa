"""Which splits are considered, and why a model cannot be split so."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.models import NAMED, Shape
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Split
from tests.samples.fleet import TINY, config, judged, server, shape

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
    "experts, some a rank more than others": (
        mixture(num_experts=6),
        Split(4, expert_parallel=True),
        "",
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
        tiny(head_dim=128).with_quantization(NAMED["gptq"]),
        Split(4),
        "",
    ),
    "blocks of what attention sums up": (
        tiny().with_quantization(NAMED["gptq"]),
        Split(4),
        "self_attn.o_proj's input 256 divided by 4 is no multiple of the quantization's blocks of "
        "128",
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
