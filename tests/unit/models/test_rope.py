"""The longest context of a model whose positions are scaled, by vLLM 0.32's own rule."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.models import Shape, read_shape
from rackwright.planning.placing import plan
from tests.samples.fleet import hosts, service

BASE = {
    "hidden_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "vocab_size": 100,
    "max_position_embeddings": 40960,
}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}


def shape_of(architecture: str = "Qwen3ForCausalLM", **more: Any) -> Shape:
    return read_shape({"architectures": [architecture], **BASE, **more})


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
@pytest.mark.parametrize(
    ("scaling", "context"),
    [
        (YARN, 131072),
        ({"type": "yarn", "factor": 4, "original_max_position_embeddings": 32768}, 131072),
        ({"rope_type": "yarn", "factor": 4.0}, 163840),
        ({"rope_type": "linear", "factor": 2.5}, 102400),
        ({"rope_type": "dynamic", "factor": 2}, 81920),
        ({"rope_type": "llama3", "factor": 8.0}, 40960),
        ({"type": "su", "factor": 8.0}, 40960),
        ({"rope_type": "longrope", "factor": 32.0, "short_factor": [1.0]}, 40960),
        ({"rope_type": "default", "rope_theta": 1e6}, 40960),
        ({"type": "mrope", "mrope_section": [16, 24, 24]}, 40960),
        ({"rope_theta": 1e6}, 40960),
        ({"rope_type": "default", "factor": None}, 40960),
        ({"full_attention": YARN, "sliding_attention": {"rope_type": "default"}}, 131072),
        ({}, 40960),
        (None, 40960),
    ],
)
def test_the_longest_context_counts_the_scaling(key: str, scaling: Any, context: int) -> None:
    shape = shape_of(**{key: scaling})
    assert shape.max_position_embeddings == context
    in_sections = bool(scaling) and "mrope_section" in scaling
    assert shape.rotary.rows == context * (4 if in_sections else 1)


def test_the_older_name_is_read_first_as_transformers_does() -> None:
    other = {"rope_type": "linear", "factor": 2}
    assert shape_of(rope_scaling=YARN, rope_parameters=other).max_position_embeddings == 131072
    assert shape_of(rope_scaling=None, rope_parameters=other).max_position_embeddings == 81920


def test_a_length_beside_the_scaling_is_the_one_before_it() -> None:
    shape = shape_of(rope_scaling=YARN, original_max_position_embeddings=16384)
    assert shape.max_position_embeddings == 65536


def test_gemma_3_counts_its_scaling_already() -> None:
    shape = shape_of(
        "Gemma3ForCausalLM",
        max_position_embeddings=131072,
        rope_scaling={"rope_type": "linear", "factor": 8.0},
    )
    assert shape.max_position_embeddings == 131072
    assert shape.rotary.rows == 8 * 131072


def test_a_service_may_ask_for_all_of_it_and_no_more() -> None:
    own = {"architectures": ["Qwen3ForCausalLM"], **BASE, "rope_scaling": YARN}
    models = {"own": {"path": "/srv/own", "config": own}}
    asked = service("own", revision=..., max_model_len=131072)
    found = plan(load_fleet(hosts(None, {"chat": asked}, models=models)))
    assert found.replicas[0].limits.max_model_len == 131072
    asked["max_model_len"] += 1
    with pytest.raises(SpecError, match="must be at most 131072, the longest context of own"):
        load_fleet(hosts(None, {"chat": asked}, models=models))


@pytest.mark.parametrize(
    ("scaling", "fault"),
    [
        ("yarn", "rope_scaling: must be a dict"),
        (4.0, "rope_scaling: must be a dict"),
        ([YARN], "rope_scaling: must be a dict"),
        (YARN | {"factor": "4"}, "rope_scaling.factor: must be 1 to 1000 (got '4')"),
        (YARN | {"factor": float("nan")}, "rope_scaling.factor: must be 1 to 1000"),
        (YARN | {"factor": True}, "rope_scaling.factor: must be 1 to 1000"),
        (YARN | {"factor": 0.5}, "rope_scaling.factor: must be 1 to 1000"),
        (YARN | {"factor": None}, "rope_scaling.factor: is required"),
        ({"rope_type": "linear"}, "rope_scaling.factor: is required"),
        (YARN | {"rope_type": "yarm"}, "rope_scaling.rope_type: must be one of default, "),
        ({"type": ["yarn"]}, "rope_scaling.type: must be one of default, "),
        (
            YARN | {"original_max_position_embeddings": 0},
            "rope_scaling.original_max_position_embeddings: must be a whole number",
        ),
        (
            {"full_attention": YARN | {"factor": -1}},
            "rope_scaling.full_attention.factor: must be 1 to 1000",
        ),
    ],
)
def test_settings_that_no_engine_can_read_are_faults(scaling: Any, fault: str) -> None:
    with pytest.raises(SpecError) as caught:
        shape_of(rope_scaling=scaling)
    assert [str(each)[: len(f"config.{fault}")] for each in caught.value.faults] == [
        f"config.{fault}"
    ]


@pytest.mark.parametrize(
    ("architecture", "reach"),
    [("Qwen3VLForConditionalGeneration", 1), ("KeyeForConditionalGeneration", 4)],
)
def test_rotations_in_sections_reach_as_far_as_the_engines_class_has_them(
    architecture: str, reach: int
) -> None:
    """Of the same text model Qwen3-VL's reach no further than a text."""
    own = {**BASE, "rope_scaling": {"rope_type": "default", "mrope_section": [4, 2, 2]}}
    text = {"text_config": {**own, "model_type": "qwen3"}}
    assert shape_of(architecture, **text, **own).rotary.rows == reach * 40960


def test_sections_of_another_scaling_are_not_read() -> None:
    scaling = {"rope_type": "linear", "factor": 2.0, "mrope_section": [4, 2, 2]}
    assert shape_of("Qwen2ForCausalLM", rope_scaling=scaling).rotary.rows == 2 * 40960
