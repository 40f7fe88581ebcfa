"""Models that see or hear are read by their text model, wherever its keys stand."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, read_shape
from rackwright.models.diffusion_gemma import NAME as DIFFUSION_GEMMA
from rackwright.models.gemma4_unified import NAME as GEMMA4_UNIFIED
from rackwright.models.left_out import LEFT_OUT
from rackwright.models.modernvbert import NAME as MODERN_VBERT
from rackwright.models.wrappers import (
    ANY_TEXT,
    BY_TYPE,
    BY_VERSION,
    FLAT,
    OWN_TEXT,
    TEXT_OF,
    VERSIONED,
)
from tests.samples.configs import BASE, H, usual

PIXELS, WIDE = 3 * 48 * 48, 3840
EMBEDDERS = 2 * PIXELS + 4 * WIDE + (PIXELS + 1) * WIDE + 1120 * 2 * WIDE + H * WIDE
"""Of Gemma 4 12B, as its class has them: norms, patches, places, and what leads to the text."""


def test_every_text_model_inside_is_a_family() -> None:
    assert set(TEXT_OF.values()) | set(BY_TYPE.values()) <= set(FAMILIES)


@pytest.mark.parametrize("wrapper", TEXT_OF)
def test_a_wrapper_is_read_by_its_text_model(wrapper: str) -> None:
    inner = usual(TEXT_OF[wrapper])
    seen = inner.get("vision_config", {})
    outer = {"architectures": [wrapper], "text_config": inner, "vision_config": seen}
    own = {key: inner[key] for key in ("pixel_shuffle_factor",) if key in inner}
    shape = read_shape({**outer, **own})
    assert (shape.architecture, shape.text_only) == (TEXT_OF[wrapper], True)
    beside = {GEMMA4_UNIFIED: EMBEDDERS, DIFFUSION_GEMMA: H + 3 * H * 96}.get(wrapper, 0)
    assert shape.parameters == read_shape(inner).parameters + beside


def test_of_what_also_speaks_only_what_thinks_is_loaded() -> None:
    """Qwen3-Omni: the sizes of Qwen3-30B-A3B with a vocabulary of its own."""
    text = {
        "vocab_size": 152064,
        "hidden_size": 2048,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "intermediate_size": 768,
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "max_position_embeddings": 65536,
    }
    name = "Qwen3OmniMoeForConditionalGeneration"
    outer = {"architectures": [name], "dtype": "float16", "talker_config": {"text_config": {}}}
    shape = read_shape({**outer, "thinker_config": {"text_config": text}})
    assert shape.parameters == 30_532_122_624 + 2 * (152064 - 151936) * 2048
    assert (shape.architecture, shape.dtype, shape.text_only) == (TEXT_OF[name], "float16", True)
    with pytest.raises(SpecError) as raised:
        read_shape({**outer, "thinker_config": {"text_config": {**text, "vocab_size": 0}}})
    where = "config.thinker_config.text_config.vocab_size"
    assert [fault.path for fault in raised.value.faults] == [where]


@pytest.mark.parametrize("wrapper", [name for name in FLAT if name in TEXT_OF])
def test_an_older_file_has_the_text_models_keys_beside_its_own(wrapper: str) -> None:
    seen = {} if wrapper == MODERN_VBERT else {"vision_config": {"hidden_size": 7}}
    outer = {"architectures": [wrapper], **seen}
    shape = read_shape({**usual(TEXT_OF[wrapper]), **outer})
    assert shape.parameters == read_shape(usual(TEXT_OF[wrapper])).parameters


@pytest.mark.parametrize("version", BY_VERSION)
def test_minicpm_v_has_the_text_model_of_its_version(version: str) -> None:
    outer = {"architectures": [VERSIONED], "vision_config": {}, "version": float(version)}
    shape = read_shape({**usual(BY_VERSION[version]), **outer})
    assert (shape.architecture, shape.text_only) == (BY_VERSION[version], True)


@pytest.mark.parametrize("version", [None, 2.0, 4, [4.5], "x"])
def test_another_version_of_minicpm_v_is_refused(version: object) -> None:
    with pytest.raises(SpecError, match=r"config\.version: must be one of 2\.5, 2\.6, 4\.0, 4\.5"):
        read_shape({**BASE, "architectures": [VERSIONED], "version": version})


def test_an_inner_file_may_stand_under_another_name() -> None:
    """OpenGVLab's own files of InternVL."""
    outer = {"architectures": ["InternVLChatModel"], "llm_config": {**BASE, "model_type": "qwen2"}}
    shape = read_shape(outer)
    assert (shape.architecture, shape.text_only) == ("Qwen2ForCausalLM", True)
    with pytest.raises(SpecError) as raised:
        read_shape({**outer, "llm_config": {**BASE, "model_type": "x"}})
    assert [fault.path for fault in raised.value.faults] == ["config.llm_config.model_type"]


@pytest.mark.parametrize("wrapper", [name for name in ANY_TEXT if name != VERSIONED])
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_text_model_is_known_by_its_type(wrapper: str, kind: str) -> None:
    outer = {"architectures": [wrapper], "text_config": {**BASE, "model_type": kind}}
    assert read_shape(outer).architecture == BY_TYPE[kind]


@pytest.mark.parametrize("wrapper", OWN_TEXT)
def test_another_text_model_than_usual_is_not_taken_for_the_usual(wrapper: str) -> None:
    """Mistral Small 4 (text of ``mistral4``, latent, with experts) is no Mistral of its sizes."""
    outer = {"architectures": [wrapper], "text_config": {**BASE, "model_type": "qwen2"}}
    assert read_shape(outer).architecture == "Qwen2ForCausalLM"
    outer["text_config"] = {**BASE, "model_type": "mistral4"}
    with pytest.raises(SpecError) as raised:
        read_shape(outer)
    assert [fault.path for fault in raised.value.faults] == ["config.text_config.model_type"]


def test_an_unknown_type_is_said_where_it_stands_with_those_that_are_known() -> None:
    outer = {"architectures": [ANY_TEXT[0]], "text_config": {**BASE, "model_type": "nobody"}}
    with pytest.raises(SpecError) as raised:
        read_shape(outer)
    said = str(raised.value.faults[0])
    assert said.startswith("config.text_config.model_type: must be one of cohere, cohere2")
    assert "'nobody'" in said


@pytest.mark.parametrize("wrapper", ["Gemma3ForConditionalGeneration", ANY_TEXT[0]])
@pytest.mark.parametrize("inner", [{}, {"text_config": None}, {"text_config": [1]}])
def test_a_wrapper_without_its_text_model_says_so(wrapper: str, inner: dict[str, object]) -> None:
    with pytest.raises(SpecError) as raised:
        read_shape({"architectures": [wrapper], **inner})
    assert [fault.path for fault in raised.value.faults] == ["config.text_config"]


def test_what_a_released_file_leaves_out_is_the_classes_own() -> None:
    """google/gemma-3-4b-it names no vocabulary, no heads and no context."""
    inner = {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
    }
    outer = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": inner}
    shape = read_shape(outer)
    assert shape.parameters == 3_880_263_168
    assert (shape.heads, shape.kv_heads, shape.max_position_embeddings) == (8, 4, 131072)
    assert [layer.kv.window for layer in shape.layers][:6] == [1024] * 5 + [None]


@pytest.mark.parametrize("kind", sorted(LEFT_OUT.keys() & {"gemma3_text", *BY_TYPE}))
def test_what_the_file_says_goes_before_what_its_class_has(kind: str) -> None:
    inner = {**BASE, "ffn_dim": 96, "model_type": kind}
    name = "Gemma3ForConditionalGeneration" if kind == "gemma3_text" else ANY_TEXT[0]
    shape = read_shape({"architectures": [name], "text_config": inner})
    assert shape.vocab_size == BASE["vocab_size"]
