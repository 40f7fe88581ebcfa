"""Models that see or hear are read by their text model, wherever its keys stand."""

from __future__ import annotations

import pytest

from rackwright.errors import SpecError
from rackwright.models import FAMILIES, read_shape
from rackwright.models.wrappers import ANY_TEXT, BY_TYPE, FLAT, LEFT_OUT, TEXT_OF
from tests.samples.configs import BASE, config, usual


def test_every_text_model_inside_is_a_family() -> None:
    assert set(TEXT_OF.values()) | set(BY_TYPE.values()) <= set(FAMILIES)


@pytest.mark.parametrize("wrapper", TEXT_OF)
def test_a_wrapper_is_read_by_its_text_model(wrapper: str) -> None:
    inner = usual(TEXT_OF[wrapper])
    shape = read_shape({"architectures": [wrapper], "text_config": inner})
    assert (shape.architecture, shape.text_only) == (TEXT_OF[wrapper], True)
    assert shape.parameters == read_shape(inner).parameters


@pytest.mark.parametrize("wrapper", FLAT)
def test_an_older_file_has_the_text_models_keys_beside_its_own(wrapper: str) -> None:
    shape = read_shape(config(wrapper, vision_config={"hidden_size": 7}))
    assert shape.parameters == read_shape(usual(TEXT_OF[wrapper])).parameters


def test_an_inner_file_may_stand_under_another_name() -> None:
    """OpenGVLab's own files of InternVL."""
    outer = {"architectures": ["InternVLChatModel"], "llm_config": {**BASE, "model_type": "qwen2"}}
    shape = read_shape(outer)
    assert (shape.architecture, shape.text_only) == ("Qwen2ForCausalLM", True)
    with pytest.raises(SpecError) as raised:
        read_shape({**outer, "llm_config": {**BASE, "model_type": "x"}})
    assert [fault.path for fault in raised.value.faults] == ["config.llm_config.model_type"]


@pytest.mark.parametrize("wrapper", ANY_TEXT)
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_text_model_is_known_by_its_type(wrapper: str, kind: str) -> None:
    outer = {"architectures": [wrapper], "text_config": {**BASE, "model_type": kind}}
    assert read_shape(outer).architecture == BY_TYPE[kind]


def test_an_unknown_type_is_said_where_it_stands_with_those_that_are_known() -> None:
    outer = {"architectures": [ANY_TEXT[0]], "text_config": {**BASE, "model_type": "nobody"}}
    with pytest.raises(SpecError) as raised:
        read_shape(outer)
    said = str(raised.value.faults[0])
    assert said.startswith("config.text_config.model_type: must be one of gpt_oss, llama")
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


@pytest.mark.parametrize("kind", LEFT_OUT)
def test_what_the_file_says_goes_before_what_its_class_has(kind: str) -> None:
    inner = {**BASE, "model_type": kind}
    name = "Gemma3ForConditionalGeneration" if kind == "gemma3_text" else ANY_TEXT[0]
    shape = read_shape({"architectures": [name], "text_config": inner})
    assert shape.vocab_size == BASE["vocab_size"]
