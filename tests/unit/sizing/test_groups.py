"""Data parallel groups and a cache dealt over ranks, by hand for DeepSeek V3 on eight H200.

61 layers keep 512 + 64 elements of a token in 16 bits: 70,272 bytes, 1,124,352 a block of 16.
"""

from __future__ import annotations

import pytest

from rackwright import catalog
from rackwright.models import Shape, Tensor
from rackwright.sizing import (
    Limits,
    Split,
    blocks_per_request,
    gpu_memory,
    kv_bytes_per_token,
    tensor_bytes,
    weights_bytes,
)
from rackwright.sizing.kv_cache import block_bytes
from rackwright.sizing.working import activation_bytes, graphs
from tests.samples.configs import QWEN_60
from tests.samples.fleet import shape

V3 = shape("deepseek-v3")
RANKS, DEALT, GROUPS = Split(8), Split(8, context=8), Split(1, 1, True, 8)
CONTEXT = 131072
LIMITS = Limits(0.9, 1024, 8192, CONTEXT)
H200 = catalog.gpu_types()["h200-sxm-141gb"].memory_bytes


@pytest.mark.parametrize("split", [RANKS, DEALT, GROUPS], ids=str)
def test_a_block_is_as_large_however_it_is_dealt(split: Split) -> None:
    assert kv_bytes_per_token(V3, split, 0) == 61 * 576 * 2 == 70_272
    assert block_bytes(V3, split, 0, "auto") == 16 * 70_272


@pytest.mark.parametrize(
    ("split", "blocks"), [(RANKS, 8192), (DEALT, 1024), (Split(8, context=2), 4096), (GROUPS, 8192)]
)
def test_a_request_takes_its_share_of_blocks_on_each_rank(split: Split, blocks: int) -> None:
    """9.2 GB on each of eight ranks; 1.15 GB on each; 9.2 GB on one of eight."""
    assert blocks_per_request(V3, split, LIMITS, CONTEXT) == blocks
    assert blocks * 16 * 70_272 in (9_210_691_584, 4_605_345_792, 1_151_336_448)


@pytest.mark.parametrize(("tokens", "blocks"), [(1, 1), (128, 1), (129, 2), (4097, 33)])
def test_a_share_is_rounded_up_to_a_token_and_to_a_block(tokens: int, blocks: int) -> None:
    assert blocks_per_request(V3, DEALT, LIMITS, tokens) == blocks


@pytest.mark.parametrize(
    ("split", "each", "caches"), [(RANKS, 1, 1), (DEALT, 8, 1), (GROUPS, 1, 8)]
)
def test_tokens_of_a_replica_are_those_of_all_its_caches(
    split: Split, each: int, caches: int
) -> None:
    limits = LIMITS._replace(max_model_len=8192)
    memory = gpu_memory(V3, split, H200, limits)
    blocks = memory.kv_cache_bytes // (16 * 70_272)
    assert memory.kv_cache_tokens == blocks * 16 * each * caches
    assert memory.sequences == caches * (blocks * 16 * each // 8192)


def named(name: str) -> Tensor:
    return next(tensor for tensor in V3.layers[-1].tensors if tensor.name == name)


@pytest.mark.parametrize("name", ["self_attn.o_proj", "self_attn.q_b_proj"])
def test_attention_is_whole_in_each_group(name: str) -> None:
    tensor = named(name)
    assert tensor_bytes(V3, tensor, GROUPS) == 8 * tensor_bytes(V3, tensor, RANKS)
    assert tensor_bytes(V3, tensor, DEALT) == tensor_bytes(V3, tensor, RANKS)
    assert tensor_bytes(V3, tensor, Split(2, 1, True, 4)) == 4 * tensor_bytes(V3, tensor, RANKS)


def test_experts_are_dealt_over_all_groups_and_shared_ones_are_whole() -> None:
    routed = sum(tensor_bytes(V3, t, GROUPS) for t in V3.layers[-1].tensors if ".experts" in t.name)
    assert routed == sum(
        tensor_bytes(V3, t, RANKS) for t in V3.layers[-1].tensors if ".experts" in t.name
    )
    assert routed > 0
    shared = named("mlp.shared_experts.down_proj")
    for split in (GROUPS, Split(2, 1, True, 4)):
        assert tensor_bytes(V3, shared, split) == 8 * tensor_bytes(V3, shared, RANKS)


def test_weights_of_a_rank() -> None:
    """As published, 671 billion, of which 654 are routed experts; DP 8 holds the rest whole."""
    routed = 58 * 256 * 3 * 7168 * 2048
    whole, dealt = (weights_bytes(V3, split, 0) for split in (Split(), GROUPS))
    assert whole - dealt == pytest.approx(routed * 7 / 8, rel=0.001)


def qwen() -> Shape:
    return shape(QWEN_60)


def test_of_sixty_experts_on_eight_ranks_the_fullest_has_eight() -> None:
    """Qwen1.5-MoE: 4 ranks of 8 and 4 of 7. An expert of a layer is three products."""
    whole, dealt = weights_bytes(qwen(), Split(8), 0), weights_bytes(qwen(), Split(8, 1, True), 0)
    expert = 24 * 3 * 2048 * 1408 * 2
    assert dealt - whole == expert * 8 - expert * 60 // 8


def test_experts_are_given_the_tokens_of_all_groups() -> None:
    """8 experts a token, 7,168 wide in and out of each; once more as they come and go."""
    own, all_of_them = (
        activation_bytes(V3, split, LIMITS, 0) for split in (Split(1, 1, True), GROUPS)
    )
    buffers = 8192 * 8 * (2 * 7168) * 2
    assert all_of_them - own == 7 * buffers + 8 * 8192 * 2 * 7168 * 2


def test_graphs_have_room_for_the_heads_of_all_ranks_that_share_a_cache() -> None:
    sizes = [graphs(V3, split, 61, LIMITS).size_bytes for split in (RANKS, DEALT, Split())]
    assert sizes[0] < sizes[1] == sizes[2]
