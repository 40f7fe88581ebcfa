"""Towers have the elements that were counted of real models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.models import read_shape
from rackwright.models.vision import TOWERS, read_tower

REAL = Path(__file__).parents[3] / "data" / "configs" / "real.jsonl"
LINES = [json.loads(line) for line in REAL.read_text().splitlines()]
SEEING = {
    line["repo"]: line
    for line in LINES
    if "vision" in line.get("parts", {}) and line["config"]["architectures"][0] in TOWERS
}


COUNTED_ELSEWHERE = {
    "ColQwen3_5",
    "OpsColQwen3Model",
    "Qwen3VLNemotronEmbedModel",
    "DiffusionGemmaForBlockDiffusion",
    "DeepseekV4ForConditionalGeneration",
    "Gemma4UnifiedForConditionalGeneration",
    "Qwen2_5OmniForConditionalGeneration",
    "Qwen2_5OmniModel",
    "Qwen3OmniMoeForConditionalGeneration",
    "PixtralForConditionalGeneration",
}


def test_every_tower_but_a_few_is_among_the_facts() -> None:
    assert {line["config"]["architectures"][0] for line in SEEING.values()} == set(
        TOWERS
    ) - COUNTED_ELSEWHERE


def test_deepseek_v4_sees_by_keys_beside_those_of_its_text_model() -> None:
    """V4-Flash-Vision-Exp has 466,405,632 more elements than V4-Flash-0731, which sees nothing."""
    config = next(x["config"] for x in LINES if x["repo"] == "deepseek-ai/DeepSeek-V4-Flash")
    text, sees = read_shape(config), read_shape({**config, "vision_n_layers": 32})
    assert (text.tower, text.text_only, sees.text_only) == (None, False, True)
    assert sees.parameters == text.parameters
    assert sees.tower is not None and sees.tower.unbroken and sees.tower.tokens == 387
    assert sees.tower.parameters == 466_393_088
    assert not read_shape({**config, "vision_n_layers": 0}).text_only


def test_gemma_4_12b_sees_without_a_tower() -> None:
    """Its patches of 48 x 48 pixels are projected by what stands beside its text model always."""
    values = {"vision_config": {}, "text_config": {}}
    tower, _ = read_tower("Gemma4UnifiedForConditionalGeneration", values, "config", 3840)
    assert tower is not None
    assert (tower.parameters, tower.tokens, tower.inputs) == (0, 280, 3 * 48 * 48)
    assert tower.unbroken  # its class's use_bidirectional_attention
    values["text_config"] = {"use_bidirectional_attention": "all"}
    tower, _ = read_tower("Gemma4UnifiedForConditionalGeneration", values, "config", 3840)
    assert tower is not None and not tower.unbroken


def test_the_towers_of_omni_models_have_the_elements_of_their_classes() -> None:
    """Counted on torch's ``meta`` device: transformers 5.24, what its classes have by default."""
    three = {"thinker_config": {"model_type": "qwen3_omni_moe_thinker", "vision_config": {}}}
    tower, _ = read_tower("Qwen3OmniMoeForConditionalGeneration", three, "config", 3584)
    assert tower is not None and tower.parameters == 566_949_104
    two = {"thinker_config": {"vision_config": {"hidden_size": 3584}}}
    tower, _ = read_tower("Qwen2_5OmniForConditionalGeneration", two, "config", 3584)
    assert tower is not None and tower.parameters == 3_083_025_152


@pytest.mark.parametrize("repo", SEEING)
def test_a_tower_has_the_elements_of_its_model(repo: str) -> None:
    tower = read_shape(SEEING[repo]["config"]).tower
    assert tower is not None
    assert tower.parameters == SEEING[repo]["parts"]["vision"]


@pytest.mark.parametrize(
    ("repo", "tokens", "patches"),
    [
        ("Qwen/Qwen3-VL-2B-Instruct", 16384, 65536),
        ("google/gemma-3-4b-it", 256, 64 * 64),
        ("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 55 * 55, 110 * 110),
    ],
)
def test_the_largest_image(repo: str, tokens: int, patches: int) -> None:
    tower = read_shape(SEEING[repo]["config"]).tower
    assert tower is not None
    assert (tower.tokens, tower.patches) == (tokens, patches)


def no_tower(architecture: str, **values: Any) -> str:
    tower, reason = read_tower(architecture, values, "config", 64)
    assert tower is None
    return reason


def test_a_tower_that_is_not_known_is_said() -> None:
    reason = no_tower("Llama4ForConditionalGeneration", vision_config={})
    assert reason == "what sees in Llama4ForConditionalGeneration is not known yet"


def test_a_tower_that_cannot_be_read_is_said() -> None:
    reason = no_tower("Qwen3VLForConditionalGeneration", vision_config={"depth": -1})
    assert "config.vision_config.depth" in reason
    assert "must be a dict" in no_tower("Gemma3ForConditionalGeneration", vision_config=3)


def test_norms_of_queries_in_intern_vit_are_refused() -> None:
    figures = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}
    sides = {"num_hidden_layers": 1, "patch_size": 14, "image_size": 448}
    seen = {**figures, **sides, "use_qk_norm": True}
    assert "InternViT 6B" in no_tower("InternVLChatModel", vision_config=seen)
