"""DeepSeek V4.1 as it is released: its elements, what it keeps, where its stages may begin."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.models.shape import Page
from rackwright.planning.splitting import indivisible
from rackwright.sizing import Limits, Split, blocks_per_request, tensor_bytes
from rackwright.sizing.kv_cache import block_bytes
from rackwright.sizing.weights import host_bytes

TEXT = {
    "vocab_size": 129280,
    "hidden_size": 5120,
    "moe_intermediate_size": 2304,
    "num_hidden_layers": 40,
    "num_attention_heads": 64,
    "num_key_value_heads": 1,
    "head_dim": 512,
    "qk_rope_head_dim": 64,
    "q_lora_rank": 1280,
    "o_lora_rank": 1024,
    "o_groups": 8,
    "max_position_embeddings": 1048576,
    "n_routed_experts": 384,
    "n_shared_experts": 1,
    "num_experts_per_tok": 6,
    "sliding_window": 128,
    "compress_ratios": [0, 0, *[2] * 18, *[1] * 20],
    "kv_source_layer_ids": [2, 8, 14, 20],
    "index_source_layer_ids": [2, 8, 14, 20, 24, 28, 32, 36],
    "index_n_heads": 32,
    "index_head_dim": 128,
    "hc_mult": 4,
    "engram_layer_ids": [1, 14],
    "engram_num_embeddings": [384006168, 384016682],
    "engram_max_ngram_size": 4,
    "engram_n_heads": 8,
    "engram_head_dim": 256,
}
FLASH = {
    "architectures": ["DeepseekV41ForCausalLM"],
    "model_type": "deepseek_v41",
    "quantization_config": {
        "quant_method": "fp8",
        "weight_block_size": [32, 32],
        "expert_dtype": "fp4",
    },
    "text_config": TEXT,
    "vision_config": {"num_hidden_layers": 32},
}
"""DeepSeek-V4.1-Flash by its ``config.json``."""
LISTED = 763_205_315_794
"""With what sees and what drafts (the listing of tests/data/configs/README.md)."""
LIMITS = Limits(0.9, 256, 8192, 131072)


def flash(**more: Any) -> Shape:
    return read_shape({**FLASH, "text_config": {**TEXT, **more}})


def test_text_tower_and_drafts_are_what_is_listed() -> None:
    """Drafts: three layers of a window with 128 experts, what they read, and a table of pairs."""
    shape, h = flash(), 5120
    a_layer = sum(tensor.elements for tensor in shape.layers[0].tensors)
    expert = 3 * 2304 * h + h + 2
    drafts = 3 * (a_layer - 256 * expert) + 3 * h * h + 2 * h + 2 * 129280 * 256 + h + 256
    assert shape.tower
    tower = sum(tensor.elements for tensor in shape.tower.tensors)
    assert (shape.parameters, tower) == (748_494_684_784, 485_268_480)
    assert shape.parameters + tower + drafts == LISTED


def test_a_few_layers_keep_for_all() -> None:
    """584 bytes a key: 19,008 = 33 x 576, 74,880 = 130, 149,760 = 260, 17,280 = 30, 33,984 = 59."""
    kept = [layer.kv.pages for layer in flash().layers]
    near = Page(32, 19008, 128)
    assert kept[0] == kept[3] == kept[39] == (near,)
    assert kept[2] == (near, Page(256, 74880), Page(8, 32768, once=True), Page(256, 17280))
    assert kept[20] == (near, Page(256, 149760), Page(256, 33984))
    assert sum(len(pages) for pages in kept) == 40 + 3 * 3 + 2


def test_windows_and_states_are_dealt_to_groups_that_fit_a_block() -> None:
    """Of what is compressed a block has 460,224 bytes: 24 windows, or 14 states fit into one."""
    shape = flash()
    assert block_bytes(shape, Split(), 0, "auto") == 3 * (74880 + 17280) + 149760 + 33984
    windows = 2 * (-(-(127 + 2 * 8192) // 32) + 1)
    assert blocks_per_request(shape, Split(), LIMITS, 131072) == 131072 // 256 + windows + 1


def test_tables_of_ngrams_are_in_the_host_and_divided() -> None:
    rows = 384006168 // 8 + -(-384016682 // 8)
    assert host_bytes(flash(), Split(8)) == rows * (256 + 8)


def test_blocks_of_32_are_held_as_mxfp8() -> None:
    layer, schemes = flash().layers[0], flash().schemes[0]
    held = {
        t.name: tensor_bytes(flash(), t, Split(), s)
        for t, s in zip(layer.tensors, schemes, strict=True)
    }
    assert held["self_attn.wkv"] == 512 * 5120 * 33 // 32
    assert held["mlp.experts.up_proj"] == 384 * 2304 * 5120 * 17 // 32


@pytest.mark.parametrize(("stages", "begun"), [(2, None), (4, 10), (5, None), (20, 4)])
def test_a_stage_begins_where_nothing_before_it_is_looked_at(stages: int, begun: int) -> None:
    reason = indivisible(Split(8, stages), flash())
    if stages == 5:
        assert "with layer 16" in reason
    elif begun is None:
        assert reason == ""
    else:
        assert f"with layer {begun}" in reason


def test_what_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        flash(
            compress_ratios=[0, 2, *[1] * 38],
            index_source_layer_ids=None,
            engram_num_embeddings=[1],
        )
    said = str(caught.value)
    assert "kv_source_layer_ids: must have layer 1" in said
    assert "index_source_layer_ids: must have layer 1" in said
    assert "text_config.engram_num_embeddings: must have the rows" in said
    with pytest.raises(SpecError, match=r"compress_ratios: must have 0, 1 or 2 for each of 40"):
        flash(compress_ratios=[4] * 40)
