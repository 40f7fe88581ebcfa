"""What Gemma 4 keeps of a token, and what the engine holds beside its checkpoint."""

from __future__ import annotations

from rackwright.models import Shape, read_shape
from rackwright.sizing import Limits, Split, blocks_per_request, kv_bytes_per_token
from rackwright.sizing.kv_cache import kind_tokens, kv_groups
from tests.samples.configs import HEADS, KV_HEADS, D, H, K, config

TYPES = ["sliding_attention"] * 3 + ["full_attention"]


def shape(**more: object) -> Shape:
    given = {"layer_types": TYPES, "sliding_window": 64, "global_head_dim": 2 * D, **more}
    return read_shape(config("Gemma4ForCausalLM", **given))


def test_wide_heads_keep_more_of_a_token() -> None:
    kept = [layer.kv for layer in shape().layers]
    assert [kv.elements for kv in kept] == [2 * D] * 3 + [4 * D]
    assert [kv.window for kv in kept] == [64] * 3 + [None]
    assert [layer.query_width for layer in shape().layers] == [HEADS * D] * 3 + [HEADS * 2 * D]


def test_keys_that_are_values_too_are_held_twice() -> None:
    alike = shape(attention_k_eq_v=True, num_global_key_value_heads=1)
    copied = [tensor for tensor in alike.layers[3].tensors if not tensor.stored]
    assert [tensor.elements for tensor in copied] == [2 * D * H]
    assert all(tensor.stored for tensor in alike.layers[0].tensors)
    assert [layer.kv.heads for layer in alike.layers] == [KV_HEADS] * 3 + [1]


def test_a_layer_that_shares_keys_keeps_nothing_and_counts_in_no_group() -> None:
    shared = shape(num_kv_shared_layers=2)
    assert [layer.kv.kind for layer in shared.layers] == [64, 64, "none", "none"]
    assert kv_groups(shared, 1)[0].groups == {64: 1}
    assert kv_bytes_per_token(shared, Split(), 0) == 2 * KV_HEADS * 2 * D * 2
    names = {tensor.name for tensor in shared.layers[3].tensors}
    assert "self_attn.k_proj" not in names


def test_blocks_are_of_one_size_so_that_narrow_layers_have_more_tokens_in_one() -> None:
    """Of 16 tokens where a layer keeps the most, of 32 where it keeps half as much."""
    mixed = shape()
    assert kind_tokens(mixed, Split(), "auto", 64) == 32
    assert kind_tokens(mixed, Split(), "auto", "full") == 16
    limits = Limits(0.9, 1, 16, 1024)
    # 1024 tokens in blocks of 16, and for each of three windows 63 + 32 tokens in blocks of 32
    assert blocks_per_request(mixed, Split(), limits, 1024) == 64 + 3 * (3 + 1)


def test_what_does_not_divide_is_padded() -> None:
    odd = shape(global_head_dim=D + D // 2)
    assert kind_tokens(odd, Split(), "auto", 64) == 16


def test_a_wide_mlp_is_of_the_layers_that_share() -> None:
    wide = shape(num_kv_shared_layers=1, use_double_wide_mlp=True)
    assert [layer.mlp_width for layer in wide.layers] == [96] * 3 + [192]
    assert K == KV_HEADS * D
