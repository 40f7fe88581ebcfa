"""A model from its GGUF file: the cache of a real server's log, sizes to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.models.gguf_header import read_header
from rackwright.models.gguf_shape import gguf_shape, model_of_file
from rackwright.models.shape import Shape
from rackwright.sizing import GIB, Limits, Split
from rackwright.sizing.gguf import compute_bytes, gguf_memory, kv_bytes, unjudged
from tests.samples import gguf_files

MIB = 1024**2


def shape(folder: Path, architecture: str, layers: int, **own: Any) -> Shape:
    metadata = gguf_files.metadata(architecture, layers, **own)
    return gguf_shape(
        read_header(gguf_files.write(folder / "m.gguf", metadata, gguf_files.tensors(layers)))
    )


GEMMA3: dict[str, Any] = {
    "attention__key_length": 128,
    "attention__value_length": 128,
    "attention__sliding_window": 1024,
}
LATENT: dict[str, Any] = {
    "attention__head_count_kv": 1,
    "attention__key_length": 160,
    "attention__value_length": 128,
    "attention__key_length_mla": 96,
    "attention__value_length_mla": 64,
}
STATE: dict[str, Any] = {
    "feed_forward_length": 0,
    "attention__head_count": 0,
    "attention__head_count_kv": 0,
    "ssm__conv_kernel": 4,
    "ssm__inner_size": 512,
    "ssm__state_size": 64,
    "ssm__group_count": 1,
}
SSM: dict[str, Any] = {
    "ssm__conv_kernel": 4,
    "ssm__inner_size": 512,
    "ssm__state_size": 64,
    "ssm__group_count": 2,
}
ONE_LOOKS = {"attention__head_count_kv": [0, 0, 2, 0], **SSM}
JAMBA = {**ONE_LOOKS, "attention__head_count_kv": [0, 2, 0, 0], "ssm__group_count": None}
NEMOTRON_H = {**ONE_LOOKS, "feed_forward_length": [0, 512, 0, 0]}
LFM2 = {"attention__head_count_kv": [0, 2, 0, 2], "shortconv__l_cache": 3}
MEASURED = [  # context of a slot, slots, type; MiB that llama-server logged (build 86a2835, a CPU)
    ("llama", 2, {}, 1024, 2, "f16", 2.00),
    ("deci", 4, {"attention__head_count_kv": [4, 2, 1, 2]}, 2048, 2, "f16", 9.00),
    ("gemma3", 8, GEMMA3, 2048, 2, "f16", 25.00),
    ("gemma3", 8, GEMMA3, 8192, 3, "q8_0", 29.48),
    ("deepseek2", 3, LATENT, 2048, 2, "f16", 3.75),
    ("deepseek2", 3, LATENT, 8192, 3, "q8_0", 11.95),
    ("mamba2", 3, STATE, 2048, 2, "f16", 0.79),
    ("mamba2", 3, STATE, 8192, 3, "q8_0", 1.19),
    ("lfm2", 4, LFM2, 2048, 2, "f16", 4.00 + 0.008),
    ("lfm2", 4, LFM2, 8192, 3, "q8_0", 12.75 + 0.012),
    ("falcon-h1", 4, SSM, 2048, 2, "f16", 8.00 + 1.07),
    ("falcon-h1", 4, SSM, 8192, 3, "q8_0", 25.50 + 1.61),
    ("granitehybrid", 4, ONE_LOOKS, 2048, 2, "f16", 2.00 + 0.80),
    ("granitehybrid", 4, ONE_LOOKS, 8192, 3, "q8_0", 6.375 + 1.20),
    ("nemotron_h", 4, NEMOTRON_H, 8192, 3, "q8_0", 6.375 + 0.80),
    ("jamba", 4, JAMBA, 2048, 2, "f16", 2.00 + 0.79),
    ("jamba", 4, JAMBA, 8192, 3, "q8_0", 6.375 + 1.18),
    ("qwen3next", 4, SSM, 2048, 2, "f16", 2.00 + 0.80),
    ("qwen3next", 4, SSM, 8192, 3, "q8_0", 6.375 + 1.20),
]


@pytest.mark.parametrize(("name", "layers", "own", "context", "slots", "dtype", "mib"), MEASURED)
def test_the_cache_is_what_a_server_logged_of_such_a_file(
    name: str,
    layers: int,
    own: dict[str, Any],
    context: int,
    slots: int,
    dtype: str,
    mib: float,
    tmp_path: Path,
) -> None:
    model = shape(tmp_path, name, layers, **own)
    limits = Limits(0.9, slots, 512, context, dtype)
    planned = slots * sum(kv_bytes(layer.kv, limits) for layer in model.layers)
    assert planned / MIB == pytest.approx(mib, abs=0.006)
    assert not unjudged(model)


RELEASED = [  # the file's keys; conv and state elements of a layer, by its config.json
    # Qwen3-Next-80B-A3B: 16 heads of 128 for keys, 32 for values, a kernel of 4.
    ("qwen3next", (4096, 128, 16, 4), 3 * (2 * 16 * 128 + 32 * 128), 32 * 128 * 128),
    # Granite-4.0-H-Small: 128 heads of 64, a state of 128, one group.
    ("granitehybrid", (8192, 128, 1, 4), 3 * (128 * 64 + 2 * 128), 128 * 64 * 128),
    # Nemotron 3 Super: 128 heads of 64, a state of 128, 8 groups.
    ("nemotron_h", (8192, 128, 8, 4), 3 * (128 * 64 + 2 * 8 * 128), 128 * 64 * 128),
    # Falcon-H1-34B: 32 heads of 128, a state of 256, two groups.
    ("falcon-h1", (4096, 256, 2, 4), 3 * (32 * 128 + 2 * 2 * 256), 32 * 128 * 256),
    # Jamba Mini 1.5: Mamba of the first kind, 8192 wide, a state of 16, no groups.
    ("jamba", (8192, 16, 0, 4), 3 * 8192, 8192 * 16),
]


@pytest.mark.parametrize(("name", "keys", "convolved", "remembered"), RELEASED)
def test_a_state_is_as_large_as_the_released_models(
    name: str, keys: tuple[int, ...], convolved: int, remembered: int, tmp_path: Path
) -> None:
    names = ("inner_size", "state_size", "group_count", "conv_kernel")
    own: dict[str, Any] = {f"ssm__{n}": value for n, value in zip(names, keys, strict=True)}
    own |= {"attention__head_count_kv": [0, 0, 0, 2], "feed_forward_length": [0, 0, 0, 0]}
    if name in ("qwen3next", "falcon-h1"):
        own |= {"attention__head_count_kv": 2, "feed_forward_length": 512}
    first, *_, last = shape(tmp_path, name, 4, **own).layers
    assert first.kv.state_bytes == 4 * (convolved + remembered)
    assert bool(last.kv.state_bytes) == (name == "falcon-h1") and last.kv.elements


DELTA = {**SSM, "attention__key_length": 64, "attention__value_length": 64}
DELTA |= {"expert_count": 4, "expert_used_count": 2, "expert_feed_forward_length": 64}
SCANNED = [  # MiB of the compute buffer, with 2 slots of 2048 and 3 of 8192
    ("jamba", JAMBA, 9.78, 15.97),
    ("falcon-h1", SSM, 11.55, 17.59),
    ("granitehybrid", ONE_LOOKS, 11.32, 17.49),
    ("nemotron_h", NEMOTRON_H, 11.05, 17.09),
    ("qwen3next", DELTA, 9.77, 15.92),
]
"""By the same server, of the same files."""


@pytest.mark.parametrize(("name", "own", "short", "long"), SCANNED)
def test_a_layer_that_scans_has_room_for_what_it_scans(
    name: str, own: dict[str, Any], short: float, long: float, tmp_path: Path
) -> None:
    model = shape(tmp_path, name, 4, **own)
    for context, slots, mib in ((2048, 2, short), (8192, 3, long)):
        planned = compute_bytes(model, 1, Limits(0.9, slots, 512, context)) / MIB
        assert mib - 0.25 < planned < 1.2 * mib


def test_every_layer_counts_with_its_own_bytes(tmp_path: Path) -> None:
    model = shape(tmp_path, "llama", 3)
    first, other, norm = 256 * 210, 256 * 144, 256 * 4
    assert model.in_file is not None
    assert model.in_file.layers == (first + norm, other + norm, other + norm)
    assert model.tied
    assert model.in_file.head == 512 * 210 + norm
    two = gguf_memory(model, Split(1, 2), 24 * GIB, Limits(0.9, 4, 512, 2048))
    assert two.weights_bytes in (sum(model.in_file.layers[:2]), other + norm + 512 * 210 + norm)


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ({}, "text"),
        ({"pooling_type": 0, "attention.causal": 1}, "text"),
        ({"pooling_type": 3}, "vectors"),
        ({"attention.causal": 0}, "vectors"),
    ],
)
def test_what_was_made_to_embed_says_so(said: dict[str, int], answers: str, tmp_path: Path) -> None:
    assert shape(tmp_path, "qwen3", 2, **said).answers == answers


def test_its_mixture_of_quantizations_is_told(tmp_path: Path) -> None:
    path = gguf_files.write(
        tmp_path / "mixed-Q4_K_M.gguf", gguf_files.metadata("llama", 3), gguf_files.tensors(3)
    )
    model = model_of_file(path)
    assert model.name == "mixed-Q4_K_M"
    assert model.about == "Q6_K 67%, Q4_K 31%, F32 2%"


@pytest.mark.parametrize(
    ("architecture", "own", "windows"),
    [
        ("gpt-oss", {"attention__sliding_window": 128}, [128, None, 128, None]),
        ("qwen2", {"attention__sliding_window": 128}, [None] * 4),
        (
            "gemma4",
            {"attention__sliding_window": 8, "attention__sliding_window_pattern": [1, 1, 0, 1]},
            [8, 8, None, 8],
        ),
        ("llama4", {}, [8192, 8192, 8192, None]),
    ],
)
def test_which_layers_look_through_a_window(
    architecture: str, own: dict[str, Any], windows: list[int | None], tmp_path: Path
) -> None:
    model = shape(tmp_path, architecture, 4, **own)
    assert [layer.kv.window for layer in model.layers] == windows


def test_layers_that_share_a_cache_or_only_draft_keep_nothing(tmp_path: Path) -> None:
    model = shape(tmp_path, "glm4moe", 4, nextn_predict_layers=1, attention__shared_kv_layers=1)
    assert [layer.kv.elements > 0 for layer in model.layers] == [True, True, False, False]


def test_of_every_fourth_layer_of_a_hybrid_a_cache_is_kept(tmp_path: Path) -> None:
    states = {key: STATE[key] for key in STATE if key.startswith("ssm")}
    model = shape(tmp_path, "qwen3next", 4, full_attention_interval=4, **states)
    assert [layer.kv.kind for layer in model.layers] == ["state"] * 3 + ["full"]
    assert model.layers[0].kv.state_bytes == 4 * (512 * 64 + 3 * (512 + 2 * 64))


@pytest.mark.parametrize(
    ("architecture", "own", "rule"),
    [
        ("clip", {}, "is a projector"),
        ("deepseek32", {"attention__indexer__key_length": 128}, "an indexer"),
        ("rwkv7", {"wkv__head_size": 64}, "RWKV"),
        ("new-one", {"ssm__state_size": 64}, "not judged yet"),
        ("llama", {"block_count": None}, "block_count: is required"),
        ("llama", {"block_count": 2000}, "must be at most 1024"),
        ("llama", {"attention__head_count_kv": [2]}, "one of each of 3 layers"),
        ("llama", {"attention__head_count_kv": "many"}, "must be a number"),
        ("llama", {"block_count": 2}, "says it has 2 layers"),
        ("llama", {"block_count": 4}, "no tensors of layer 3"),
    ],
)
def test_what_cannot_be_judged_is_said(
    architecture: str, own: dict[str, Any], rule: str, tmp_path: Path
) -> None:
    with pytest.raises(SpecError, match=rule):
        shape(tmp_path, architecture, 3, **own)
