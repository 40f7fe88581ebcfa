"""A model whose architecture is not known, by its files and standard keys; a known one checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models import read_shape
from rackwright.models.shape import Shape, Sharding
from rackwright.models.tasks import labels_of, task_of
from rackwright.models.tensors.files import folder_headers, read_headers
from rackwright.models.tensors.headers import Headers, HeldTensor, headers_of
from rackwright.models.tensors.names import as_tensor
from rackwright.models.tensors.shapes import shape_of_files
from rackwright.sizing import Limits, Split, gpu_memory, weights_bytes
from rackwright.sizing.kv_cache import layer_kv_bytes
from rackwright.sizing.weights import computed_bytes, difference
from tests.samples.safetensors import decoder_tensors, write_model

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "vocab_size": 1024,
    "max_position_embeddings": 2048,
}
UNKNOWN = {**LLAMA, "architectures": ["NobodyForCausalLM"]}
GIB = 1 << 30


def shape(tmp_path: Path, config: dict[str, Any], **more: Any) -> Shape:
    folder = write_model(tmp_path / "model", config, {**decoder_tensors(LLAMA), **more} or None)
    return shape_of_files(config, folder_headers(folder), "config")


def kv_bytes(one: Shape, split: Split) -> int:
    return sum(layer_kv_bytes(one, layer.kv, split, "auto") for layer in one.layers)


@pytest.mark.parametrize("ranks", [1, 2, 4, 8])
@pytest.mark.parametrize("stages", [1, 2])
def test_an_unknown_llama_is_sized_as_the_known_one(
    ranks: int, stages: int, tmp_path: Path
) -> None:
    known, guess = read_shape(LLAMA), shape(tmp_path, UNKNOWN)
    split = Split(ranks, stages)
    for stage in range(stages):
        assert weights_bytes(guess, split, stage) == weights_bytes(known, split, stage)
    assert kv_bytes(guess, split) == kv_bytes(known, split)
    limits = Limits(0.9, 64, 2048, 2048)
    assert gpu_memory(guess, split, 80 * GIB, limits) == gpu_memory(known, split, 80 * GIB, limits)
    assert guess.margin and not known.margin


@pytest.mark.parametrize(
    ("name", "answers", "task"),
    [
        ("NobodyForCausalLM", "text", None),
        ("NobodyForConditionalGeneration", "text", None),
        ("NobodyLMHeadModel", "text", None),
        ("ChatGLMModel", "text", None),
        ("NobodyChatModel", "text", None),
        ("MossAudioModel", "text", None),
        ("NobodyModel", "vectors", "embed"),
        ("NobodyForSequenceClassification", "vectors", "classify"),
        ("NobodyForTokenClassification", "vectors", "token_classify"),
    ],
)
def test_what_it_answers_with_stands_in_its_name(
    name: str, answers: str, task: str | None, tmp_path: Path
) -> None:
    found = shape(tmp_path, {**UNKNOWN, "architectures": [name]})
    assert (found.answers, task_of(found)) == (answers, task)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize(
    "name", ["score.weight", "classifier.weight", "classifier.out_proj.weight"]
)
def test_scores_are_counted_by_the_last_layer_of_the_files(
    name: str, rows: int, tmp_path: Path
) -> None:
    config = {**UNKNOWN, "architectures": ["NobodyForSequenceClassification"]}
    assert labels_of(shape(tmp_path, config, **{name: ("BF16", (rows, 256))})) == rows


def test_a_tensor_without_a_known_name_is_held_whole_by_every_rank(tmp_path: Path) -> None:
    odd = {"model.layers.0.quux.weight": ("BF16", [1024, 1024])}
    plain, more = shape(tmp_path / "a", UNKNOWN), shape(tmp_path / "b", UNKNOWN, **odd)
    for ranks in (1, 4):
        apart = weights_bytes(more, Split(ranks), 0) - weights_bytes(plain, Split(ranks), 0)
        assert apart == 2 << 20


def test_drafts_masks_and_tied_heads_are_not_loaded(tmp_path: Path) -> None:
    extra = {
        "model.layers.4.mlp.up_proj.weight": ("BF16", [512, 256]),
        "mtp.layers.0.mlp.up_proj.weight": ("BF16", [512, 256]),
        "model.layers.0.self_attn.rotary_emb.inv_freq": ("F32", [16]),
    }
    assert shape(tmp_path / "a", LLAMA, **extra).stored_bytes == computed_bytes(read_shape(LLAMA))
    tied = {**LLAMA, "tie_word_embeddings": True}
    found = shape(tmp_path / "b", tied)
    assert found.stored_bytes == computed_bytes(read_shape(tied))
    assert not difference(found)


def test_float32_weights_count_as_they_are_loaded(tmp_path: Path) -> None:
    wide = {name: ("F32", dims) for name, (_, dims) in decoder_tensors(LLAMA).items()}
    assert not difference(shape(tmp_path, LLAMA, **wide))


@pytest.mark.parametrize("stored", ["more", "less"])
def test_files_that_differ_are_planned_with_the_larger(stored: str, tmp_path: Path) -> None:
    made = decoder_tensors(LLAMA)
    half = {name: ("F8_E4M3", dims) for name, (_, dims) in made.items() if "mlp" in name}
    double = {name + "_more": ("BF16", dims) for name, (_, dims) in made.items() if "mlp" in name}
    found, known = (
        shape(tmp_path, LLAMA, **(double if stored == "more" else half)),
        read_shape(LLAMA),
    )
    off = difference(found)
    assert (off > 0.1) if stored == "more" else (off < -0.1)
    ratio = weights_bytes(found, Split(2), 0) / weights_bytes(known, Split(2), 0)
    expected = (found.stored_bytes or 0) / computed_bytes(known) if stored == "more" else 1
    assert ratio == pytest.approx(expected, rel=1e-6)


def test_layers_with_a_state_keep_one_and_no_tokens(tmp_path: Path) -> None:
    tensors = {n: t for n, t in decoder_tensors(LLAMA).items() if ".1.self_attn" not in n}
    tensors |= {
        "model.layers.1.mamba.A_log": ("BF16", [8]),
        "model.layers.1.mamba.conv1d.weight": ("BF16", [512, 1, 4]),
        "model.layers.1.mamba.out_proj.weight": ("BF16", [256, 512]),
    }
    config = {**UNKNOWN, "mamba_d_state": 16}
    folder = write_model(tmp_path, config, tensors)
    found = shape_of_files(config, folder_headers(folder), "config")
    assert [layer.kv.kind for layer in found.layers] == ["full", "state", "full", "full"]
    assert found.layers[1].kv.state_bytes == 512 * 16 * 4 + 2 * 512 * 4
    assert found.margin > shape(tmp_path / "plain", UNKNOWN).margin


def test_every_missing_key_is_said_where_it_stands() -> None:
    config = {"architectures": ["NobodyForCausalLM"], "text_config": {"hidden_size": 8}}
    headers = Headers((("a", 1),), (HeldTensor("layers.0.up_proj.weight", "BF16", (8, 8), 128),))
    with pytest.raises(SpecError) as caught:
        shape_of_files(config, headers, "config")
    said = [str(fault) for fault in caught.value.faults]
    assert said[0].startswith("config.architectures: is not known, and its config lacks what")
    missing = ("intermediate_size", "max_position_embeddings", "num_attention_heads")
    for key in (*missing, "num_hidden_layers", "vocab_size"):
        assert f"config.text_config.{key}: is required" in said


def test_keys_by_other_names_and_kinds_of_layers_are_read(tmp_path: Path) -> None:
    names = {"hidden_size": "d_model", "num_hidden_layers": "n_layers", "vocab_size": "vocab_size"}
    config = {names.get(key, key): value for key, value in UNKNOWN.items()}
    config |= {"layer_types": ["local"] * 3 + ["global"], "sliding_window": 128}
    found = shape(tmp_path, config)
    assert [layer.kv.window for layer in found.layers] == [128, 128, 128, None]


def test_tensors_without_layers_cannot_be_split(tmp_path: Path) -> None:
    headers = Headers((("a", 1),), (HeldTensor("one.weight", "BF16", (8, 8), 128),))
    with pytest.raises(SpecError, match="has tensors whose names say no layer"):
        shape_of_files(UNKNOWN, headers, "config")


@pytest.mark.parametrize(
    ("name", "shape", "sharding"),
    [
        ("model.layers.0.self_attn.q_proj.weight", (8, 8), Sharding.RANKS),
        ("model.layers.0.self_attn.k_proj.weight", (8, 8), Sharding.KV_HEADS),
        ("model.layers.0.self_attn.kv_a_proj_with_mqa.weight", (8, 8), Sharding.REPLICATED),
        ("model.layers.0.self_attn.kv_b_proj.weight", (8, 8), Sharding.RANKS),
        ("model.layers.0.self_attn.q_norm.weight", (8,), Sharding.REPLICATED),
        ("model.layers.0.mlp.gate.weight", (8, 8), Sharding.REPLICATED),
        ("model.layers.0.mlp.gate_proj.weight", (8, 8), Sharding.RANKS),
        ("model.layers.0.mlp.experts.*.down_proj.weight", (8, 8), Sharding.EXPERTS),
        ("model.layers.0.mlp.shared_experts.down_proj.weight", (8, 8), Sharding.RANKS),
        ("model.layers.0.mlp.down_proj.weight_scale", (), Sharding.REPLICATED),
        ("visual.blocks.0.attn.qkv.weight", (8, 8), Sharding.REPLICATED),
        ("transformer.h.0.attn.c_attn.weight", (8, 8), Sharding.RANKS),
    ],
)
def test_a_name_says_how_ranks_divide_it(
    name: str, shape: tuple[int, ...], sharding: Sharding
) -> None:
    made = as_tensor(HeldTensor(name, "BF16", shape, 2 * 8 ** len(shape)))
    assert made.sharding is sharding


def test_fused_experts_are_dealt_as_single_ones() -> None:
    fused = HeldTensor("model.layers.0.mlp.experts.gate_up_proj", "BF16", (4, 6, 8), 384)
    made = as_tensor(fused)
    assert (made.copies, made.rows, made.columns, made.elements) == (4, 6, 8, 192)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    headers = folder_headers(write_model(tmp_path / "model", LLAMA))
    (tmp_path / "kept.json").write_text(headers.text())
    again = read_headers(tmp_path / "kept.json")
    assert (again.files, again.tensors) == (headers.files, headers.tensors)


@pytest.mark.parametrize(
    "values",
    [
        [],
        {},
        {"files": [], "tensors": []},
        {"format": 2, "files": [["a", 1]], "tensors": [["a", "U8", [1], 1, 1]]},
        {"files": [["a"]], "tensors": [["a", "U8", [1], 1, 1]]},
        {"files": [["a", 1]], "tensors": [["a", "U8", [-1], 1, 1]]},
        {"files": [["a", 1]], "tensors": [["a", "U8", [1], 1.5, 1]]},
        {"files": [["a", 1]], "tensors": [[7, "U8", [1], 1, 1]]},
        {"files": [["a", 1]], "tensors": [["a", "U8", 1, 1, 1]]},
        {"files": [["a", 1]], "tensors": ["a"]},
        {"files": [["a", 1]], "tensors": [["a", "U8", [1], 1 << 70, 1]]},
    ],
    ids=str,
)
def test_what_is_no_summary_is_one_fault(values: Any) -> None:
    with pytest.raises(ValueError, match=r"must |has "):
        headers_of(values)
