"""Looped models, LongCat Lite, Puzzle, DBRX, Step 1, TeleChat2 by sizes that are served."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from rackwright.engines import ENGINES
from rackwright.errors import SpecError
from rackwright.models import Shape, read_shape
from rackwright.planning.dealing import undealt
from rackwright.planning.splitting import indivisible
from rackwright.planning.work import work_of
from rackwright.sizing import Split, tensor_bytes
from rackwright.sizing.kv_cache import kv_bytes_per_token, kv_groups
from tests.samples.configs import usual

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"
PUZZLE = "NemotronHPuzzleForCausalLM"


@cache
def lines() -> dict[str, dict[str, Any]]:
    every = (json.loads(line) for line in REAL.read_text().splitlines())
    return {one["repo"].rpartition("/")[2]: one for one in every}


def served(name: str) -> Shape:
    return read_shape(lines()[name]["config"])


KEPT = {
    "Nanbeige4.2-3B": 2 * 22 * 8 * 2 * 128 * 2,
    "IQuest-Coder-V1-40B-Loop-Instruct": 2 * 80 * 8 * 2 * 128 * 2,
    "LongCat-Flash-Lite": 2 * 14 * (512 + 64) * 2,
    "dbrx-instruct": 40 * 8 * 2 * 128 * 2,
    "Step-Audio-TTS-3B": 32 * 4 * 2 * 64 * 2,
    "TeleChat2-3B": 24 * 24 * 2 * 128 * 2,
}


@pytest.mark.parametrize("name", KEPT)
def test_what_all_layers_keep_of_a_token(name: str) -> None:
    assert served(name).parameters == lines()[name]["elements"]
    assert kv_bytes_per_token(served(name), Split(), 0) == KEPT[name]


@pytest.mark.parametrize(
    ("name", "ranks", "why"),
    [
        ("Nanbeige4.2-3B", 8, ""),
        ("Nanbeige4.2-3B", 16, "KV heads 8"),
        ("IQuest-Coder-V1-40B-Loop-Instruct", 8, ""),
        ("IQuest-Coder-V1-40B-Loop-Instruct", 16, "40 attention"),
        ("LongCat-Flash-Lite", 32, ""),
        ("dbrx-instruct", 16, ""),
        ("dbrx-instruct", 32, "48 attention"),
        ("Step-Audio-TTS-3B", 16, ""),
        ("Step-Audio-TTS-3B", 6, "48 attention and 4 KV"),
        ("TeleChat2-3B", 8, ""),
        ("TeleChat2-3B", 16, "24 attention"),
    ],
)
def test_ranks_divide_as_the_engine_has_it(name: str, ranks: int, why: str) -> None:
    reason = indivisible(Split(ranks), served(name))
    assert why in reason
    assert bool(reason) == bool(why)


@pytest.mark.parametrize("name", ["Nanbeige4.2-3B", "IQuest-Coder-V1-40B-Loop-Instruct"])
def test_what_passes_its_layers_again_has_no_stages(name: str) -> None:
    assert indivisible(Split(1, 2), served(name)) == "vLLM has no pipeline stages of this model"
    assert not indivisible(Split(1, 2), served("LongCat-Flash-Lite"))


@pytest.mark.parametrize("name", ["Nanbeige4.2-3B", "HRM-Text-1B"])
def test_weights_are_read_in_every_pass(name: str) -> None:
    shape = served(name)
    held, passes = {"Nanbeige4.2-3B": (22, 2), "HRM-Text-1B": (2 * 16, 4)}[name]
    once = replace(shape, layers=shape.layers[:held])
    tables = tensor_bytes(shape, shape.head, Split())
    every, one = (work_of(each, Split(), 0, "auto") for each in (shape, once))
    assert every.read_bytes - tables == passes * (one.read_bytes - tables)
    assert every.flops == passes * one.flops


def test_later_passes_of_loopcoder_look_back_a_window_of_their_own() -> None:
    windows = [layer.kv.window for layer in served("IQuest-Coder-V1-40B-Loop-Instruct").layers]
    assert windows == [None] * 80 + [64] * 80
    assert kv_groups(served("IQuest-Coder-V1-40B-Loop-Instruct"), 1)[0].groups == {"full": 1, 64: 1}


@pytest.mark.parametrize(
    "key", ["enable_double_loop_split", "enable_depth_attention", "qk_layernorm"]
)
def test_what_no_released_nanbeige_does_is_refused(key: str) -> None:
    with pytest.raises(SpecError, match=f"{key}: must be left out"):
        read_shape({**usual("NanbeigeForCausalLM"), key: True})


def test_passes_are_no_more_than_layers_may_be() -> None:
    with pytest.raises(SpecError, match="num_loops: must make at most 1000 passes"):
        read_shape({**usual("NanbeigeForCausalLM"), "num_loops": 500})


def test_ranks_share_the_tables_of_ngrams() -> None:
    shape = served("LongCat-Flash-Lite")
    tables, mixed = shape.beside
    assert tables.elements == 256 * sum(78 * 131072 + 2 * number + 1 for number in range(12))
    whole, eighth = (tensor_bytes(shape, tables, Split(ranks)) for ranks in (1, 8))
    assert (whole, eighth) == (tables.elements * 2, tables.elements // 4)
    assert tensor_bytes(shape, mixed, Split(8)) == 12 * 3072 * 256 * 2
    assert not read_shape(
        {**usual("LongcatFlashNgramForCausalLM"), "ngram_vocab_size_ratio": None}
    ).beside


def puzzle(widths: list[int]) -> dict[str, Any]:
    """Nemotron 3 Super as Puzzle left it: smaller states, and each layer's experts by a width."""
    config = dict(lines()["NVIDIA-Nemotron-3-Super-120B-A12B-BF16"]["config"])
    letters = config.pop("hybrid_override_pattern")
    given = iter(widths)
    blocks: list[dict[str, Any]] = []
    for letter in letters:
        blocks.append({"block_type": {"M": "mamba", "*": "attention", "E": "moe"}[letter]})
        if letter == "E":
            blocks[-1] |= {"moe_intermediate_size": next(given), "num_experts_per_tok": 4}
    named = {"architectures": [PUZZLE], "ssm_state_size": 96, "num_hidden_layers": None}
    drops = ("moe_intermediate_size", "num_experts_per_tok")
    return {
        **{key: config[key] for key in config if key not in drops},
        **named,
        "block_configs": blocks,
    }


def test_a_puzzle_of_75_billion_is_as_large_as_its_page_says() -> None:
    """Its 75,353,324,544 elements leave 503 times 128 for the widths of all its experts together.

    Which layer has which of them was not found, so they are spread here; the count has no biases
    of routers.
    """
    shape = read_shape(puzzle([1280] * 19 + [1920] * 20 + [1664]))
    assert shape.parameters == 75_353_324_544 + 40 * 512
    assert [one.experts.width for one in shape.layers if one.experts][-1] == 1664
    assert kv_bytes_per_token(shape, Split(), 0) == 8 * 2 * 2 * 128 * 2
    assert not indivisible(Split(2), shape)


def test_experts_of_every_layer_are_divided() -> None:
    uneven = read_shape(puzzle([1280] * 39 + [1284]))
    assert "expert width 4" in indivisible(Split(2 * 4), uneven)
    assert not indivisible(Split(2, 1, True), uneven)


@pytest.mark.parametrize(
    ("blocks", "path"),
    [
        (None, "config.block_configs"),
        ([], "config.block_configs"),
        (["moe"], "config.block_configs"),
        ([{"block_type": "hyena"}], "config.layers_block_type"),
        ([{"block_type": "mamba"}, {"block_type": "moe"}], "config.moe_intermediate_size"),
        (
            [{"block_type": "moe", "moe_intermediate_size": "8", "num_experts_per_tok": 2}],
            "config.block_configs[0].moe_intermediate_size",
        ),
    ],
)
def test_what_is_wrong_with_a_block_is_named(blocks: object, path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual(PUZZLE), "block_configs": blocks})
    assert path in [fault.path for fault in raised.value.faults]


def test_a_block_may_look_back_a_window() -> None:
    blocks = [{"block_type": "attention", "sliding_window": 32}, {"block_type": "attention"}]
    shape = read_shape({**usual(PUZZLE), "block_configs": blocks})
    assert [layer.kv.window for layer in shape.layers] == [32, None]
    mlp = {"block_type": "mlp", "intermediate_size": 24}
    assert read_shape({**usual(PUZZLE), "block_configs": [mlp]}).widths == {"MLP width": 24}


def test_experts_of_dbrx_are_not_dealt_whole() -> None:
    can = ENGINES["vllm"].splits
    assert "deals none whole" in undealt(Split(2, 1, True), served("dbrx-instruct"), can)
    assert not undealt(Split(2), served("dbrx-instruct"), can)


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"d_model": None}, "config.d_model"),
        ({"ffn_config": None}, "config.ffn_config"),
        ({"ffn_config": {"moe_num_experts": 4}}, "config.ffn_config.moe_top_k"),
        ({"attn_config": {"kv_n_heads": "8"}}, "config.attn_config.kv_n_heads"),
        ({"tie_word_embeddings": True}, "config.tie_word_embeddings"),
    ],
)
def test_a_figure_of_dbrx_is_named_as_its_file_has_it(more: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({**usual("DbrxForCausalLM"), **more})
    assert path in [fault.path for fault in raised.value.faults]


def test_step_1_has_one_kv_head_where_nothing_says_otherwise_and_no_table_of_positions() -> None:
    config = {**usual("Step1ForCausalLM"), "num_attention_groups": None}
    assert read_shape(config).kv_heads == 4
    assert read_shape({**config, "num_key_value_heads": None}).kv_heads == 1
    assert read_shape(config).rotary.elements == 0
    with pytest.raises(SpecError, match=r"config\.num_attention_groups"):
        read_shape({**config, "num_attention_groups": 3})


def test_telechat2_has_biases_behind_attention_and_mlp_alone() -> None:
    biases = [one for one in served("TeleChat2-3B").layers[0].tensors if "bias" in one.name]
    assert [(one.name, one.rows) for one in biases] == [
        ("self_attn.o_proj.bias", 3072),
        ("mlp.down_proj.bias", 3072),
    ]
    assert served("TeleChat2-3B").max_position_embeddings == 8192
