"""What Falcon, InternLM2 and MiniCPM3 keep of a token, and how their ranks share it."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.sizing.kv_cache import kv_bytes_per_token
from rackwright.sizing.split import Split
from tests.samples.configs import HEADS, D, H, usual

FALCON, MINICPM3 = "FalconForCausalLM", "MiniCPM3ForCausalLM"
FALCON_7B = {
    "architectures": [FALCON],
    "vocab_size": 65024,
    "hidden_size": 4544,
    "num_hidden_layers": 32,
    "num_attention_heads": 71,
    "max_position_embeddings": 2048,
}
FALCON_40B = {
    **FALCON_7B,
    "hidden_size": 8192,
    "num_hidden_layers": 60,
    "num_attention_heads": 128,
    "num_kv_heads": 8,
    "new_decoder_architecture": True,
}
INTERNLM2_7B = {
    "architectures": ["InternLM2ForCausalLM"],
    "vocab_size": 92544,
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32768,
}
MINICPM3_4B = {
    "architectures": [MINICPM3],
    "vocab_size": 73448,
    "hidden_size": 2560,
    "intermediate_size": 6400,
    "num_hidden_layers": 62,
    "num_attention_heads": 40,
    "num_key_value_heads": 40,
    "max_position_embeddings": 32768,
    "q_lora_rank": 768,
    "kv_lora_rank": 256,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
}


def kept(shape: Shape, ranks: int = 1) -> int:
    return kv_bytes_per_token(shape, Split(ranks, 1), 0)


@pytest.mark.parametrize(
    ("config", "ranks", "bytes_a_token"),
    [
        (FALCON_7B, 1, 32 * 2 * 64 * 2),
        (FALCON_40B, 1, 60 * 8 * 2 * 64 * 2),
        (FALCON_40B, 4, 60 * 2 * 2 * 64 * 2),
        (INTERNLM2_7B, 1, 32 * 8 * 2 * 128 * 2),
        (MINICPM3_4B, 1, 62 * 40 * 2 * (64 + 32) * 2),
        (MINICPM3_4B, 4, 62 * 10 * 2 * (64 + 32) * 2),
    ],
)
def test_what_is_kept_of_a_token(config: dict[str, object], ranks: int, bytes_a_token: int) -> None:
    assert kept(read_shape(config), ranks) == bytes_a_token


def test_slopes_need_no_table_of_positions() -> None:
    assert read_shape(usual(FALCON)).rotary.elements > 0
    assert read_shape({**usual(FALCON), "alibi": True}).rotary.elements == 0


def test_keys_and_values_of_minicpm3_are_not_held_a_second_time() -> None:
    shape = read_shape(usual(MINICPM3))
    assert all(tensor.stored for layer in shape.layers for tensor in layer.tensors)
    assert not any(layer.kv.latent for layer in shape.layers)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"ffn_hidden_size": 4 * H + 1}, "config.ffn_hidden_size"),
        ({"new_decoder_architecture": True, "num_kv_heads": 3}, "config.num_kv_heads"),
        ({"hidden_size": H + 1, "ffn_hidden_size": 4 * (H + 1)}, "config.hidden_size"),
        ({"num_ln_in_parallel_attn": 3}, "config.num_ln_in_parallel_attn"),
    ],
)
def test_what_the_engine_does_not_read_is_said(more: dict[str, object], path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual(FALCON), **more})
    assert [fault.path for fault in raised.value.faults] == [path]


def test_a_falcon_has_heads_of_its_hidden_size() -> None:
    shape = read_shape(usual(FALCON))
    assert H // HEADS != D
    assert shape.layers[0].kv.elements == 2 * (H // HEADS)
