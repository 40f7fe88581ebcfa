"""Mistral's own ``params.json``, with figures as their models' pages and papers give them."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.models.finding import find_model
from rackwright.models.mistral_params import config_of_params
from rackwright.models.tensors.headers import HeldTensor
from rackwright.models.tensors.loaded import text_half
from tests.samples.mutated import mutations

NEMO = {
    **{"dim": 5120, "n_layers": 40, "head_dim": 128, "hidden_dim": 14336, "n_heads": 32},
    **{"n_kv_heads": 8, "norm_eps": 1e-05, "vocab_size": 131072, "rope_theta": 1e9},
}
"""The text half of Pixtral 12B: Mistral Nemo, 12,247,782,400 elements (its page)."""
SEES = {
    **{"hidden_size": 1024, "num_channels": 3, "image_size": 1024, "patch_size": 16},
    **{"intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
    **{"rope_theta": 10000.0, "image_token_id": 10},
}
LARGE = {
    **{"dim": 7168, "n_layers": 61, "head_dim": 128, "hidden_dim": 16384, "n_heads": 128},
    **{"n_kv_heads": 128, "vocab_size": 131072, "tied_embeddings": False},
    **{"q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128},
    **{"kv_lora_rank": 512, "v_head_dim": 128, "max_position_embeddings": 294912},
    "moe": {
        **{"expert_hidden_dim": 4096, "first_k_dense_replace": 3, "num_experts": 128},
        **{"num_experts_per_tok": 4, "num_shared_experts": 1, "route_every_n": 1},
    },
    "quantization": {"qformat_weight": "fp8_e4m3", "qscheme_act": "TENSOR"},
}
HEARS = {
    "multimodal": {
        "whisper_model_args": {
            "encoder_args": {"dim": 1280, "n_layers": 32, "hidden_dim": 5120, "n_heads": 20},
            "downsample_args": {"downsample_factor": 4},
        }
    }
}
BLOCK = 4 * 1024**2 + 3 * 1024 * 4096 + 2 * 1024


def folder(path: Path, values: Any) -> Path:
    (path / "params.json").write_text(json.dumps(values))
    return path


def test_a_folder_with_only_params_json_is_sized(tmp_path: Path) -> None:
    model = find_model(str(folder(tmp_path, NEMO)))
    assert model.shape.parameters == 12_247_782_400
    assert (model.shape.architecture, model.longest_context) == ("MistralForCausalLM", 128_000)
    assert sum(layer.kv.heads * layer.kv.elements for layer in model.shape.layers) == 40 * 8 * 256


def test_the_file_itself_may_be_named(tmp_path: Path) -> None:
    folder(tmp_path, NEMO)
    assert find_model(str(tmp_path / "params.json")).shape.hidden_size == 5120


def test_pixtral_sees() -> None:
    shape = read_shape(config_of_params({**NEMO, "vision_encoder": SEES}))
    assert shape.parameters == 12_247_782_400 and shape.text_only and shape.tower
    adapter = 1024 * 5120 + 5120 + 5120**2 + 5120
    assert shape.tower.parameters == 3 * 256 * 1024 + 1024 + 24 * BLOCK + adapter
    assert (shape.tower.tokens, shape.tower.patches) == (64 * 64, 64 * 64)


def test_patches_are_merged_where_it_says_so() -> None:
    more = {"spatial_merge_size": 2, "mm_projector_id": "patch_merge", "adapter_bias": False}
    more |= {"add_pre_mm_projector_layer_norm": True, "max_image_size": 1540, "patch_size": 14}
    shape = read_shape(config_of_params({**NEMO, "vision_encoder": {**SEES, **more}}))
    assert shape.tower
    behind = 1024 * 5120 + 5120**2 + 1024 + 4 * 1024**2
    assert shape.tower.parameters == 3 * 196 * 1024 + 1024 + 24 * BLOCK + behind
    assert shape.tower.tokens == 55 * 55


def test_large_3_is_a_deepseek_v3_without_a_bias_of_its_router() -> None:
    shape = read_shape(config_of_params(LARGE))
    attention = 7168 * 1536 + 1536 + 1536 * 128 * 192 + 7168 * 576 + 512
    attention += 512 * 128 * 256 + 128 * 128 * 7168 + 2 * 7168
    dense, expert = 3 * 7168 * 16384, 3 * 7168 * 4096
    sparse = 129 * expert + 128 * 7168
    total = 61 * attention + 3 * dense + 58 * sparse + 2 * 131072 * 7168 + 7168
    assert shape.parameters == total
    assert round(total / 1e9) == 673  # the card: 673 billion, beside a tower of 2.5
    assert shape.quantization and shape.quantization.method == "fp8"
    assert shape.layers[0].kv.elements == 576


def test_voxtral_is_its_text_half() -> None:
    shape = read_shape(config_of_params({**NEMO, **HEARS}))
    assert (shape.architecture, shape.parameters) == ("MistralForCausalLM", 12_247_782_400)
    assert "as long as the context" in shape.unhearing


def test_of_voxtrals_files_its_words_are_of_the_text_half() -> None:
    words = "mm_whisper_embeddings.tok_embeddings.weight"
    names = [words, "mm_whisper_embeddings.whisper_encoder.conv_layers.0.weight"]
    names += ["mm_whisper_embeddings.audio_language_projection.0.weight", "vision_encoder.x.weight"]
    held = [HeldTensor(name, "BF16", (2, 2), 8) for name in names]
    assert [tensor.name for tensor in text_half(held)] == [words]


def test_windows_may_be_a_list_that_is_repeated() -> None:
    shape = read_shape(config_of_params({**NEMO, "sliding_window": [None, 4096, 4096, 4096]}))
    windows = [layer.kv.window for layer in shape.layers]
    assert windows == [None, 4096, 4096, 4096] * 10


def test_yarn_lengthens_the_original_context() -> None:
    yarn = {"factor": 16, "original_max_position_embeddings": 16384, "apply_scale": False}
    values = {**NEMO, "yarn": yarn, "max_position_embeddings": 131072}
    assert read_shape(config_of_params(values)).max_position_embeddings == 262144


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"moe": {"num_experts": 8}}, "shared experts in moe"),
        ({"model_type": "mamba"}, "Mamba 2"),
        ({"quantization": {"qformat_weight": "int3"}}, "fp8_e4m3 or compressed-tensors"),
        ({"quantization": 3}, "fp8_e4m3 or compressed-tensors"),
        ({"multimodal": 3}, "a dict as multimodal"),
        ({"yarn": [1]}, "a dict as yarn"),
        ({"sliding_window": [1, "x"]}, "one size in sliding_window"),
        ({"dim": "x"}, "hidden_size: must be a whole number"),
    ],
)
def test_what_cannot_be_is_said(more: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=reason):
        find_model(str(folder(tmp_path, {**NEMO, **more})))


BASES = {
    "Pixtral": {
        **NEMO,
        "vision_encoder": SEES,
        "sliding_window": [None, 4096],
        "yarn": {"factor": 2},
    },
    "Large 3": LARGE,
    "Voxtral": {**NEMO, **HEARS},
}


@pytest.mark.parametrize("base", BASES)
def test_a_wrong_value_is_a_fault_and_no_crash(base: str) -> None:
    for values in mutations(BASES[base]):
        if isinstance(values, dict):
            with suppress(SpecError, ValueError):
                read_shape(config_of_params(values))


@pytest.mark.parametrize("values", [[], 3, "x", None])
def test_what_is_no_object_is_said(values: Any, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"params\.json that is a JSON object"):
        find_model(str(folder(tmp_path, values)))


def test_what_is_left_out_is_of_no_class() -> None:
    """The engine makes a plain config of it: Mistral's class would have a window of 4,096."""
    shape = read_shape(config_of_params(NEMO))
    assert {layer.kv.window for layer in shape.layers} == {None}
    heads = {key: value for key, value in NEMO.items() if key != "n_kv_heads"}
    assert read_shape(config_of_params(heads)).kv_heads == NEMO["n_heads"]
