"""Encoders of sound have the elements that transformers' modules count, and are whole or divided.

Counted on torch's ``meta`` device with transformers 5.24: the classes' defaults, which are the
sizes of Qwen2-Audio 7B, Qwen2.5-Omni 7B and Gemma 4 E4B; Qwen3-Omni 30B's hands on 2048.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright.models import Shape, read_shape
from rackwright.models.hearing import EARS, read_ear
from rackwright.sizing import Limits, Split
from rackwright.sizing.vision import budget_tokens, seeing, tower_bytes

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"
LINES = [json.loads(line) for line in REAL.read_text().splitlines()]
HEARING = {
    line["repo"]: line
    for line in LINES
    if "audio" in line.get("parts", {}) and line["config"]["architectures"][0] in EARS
}
QWEN2, QWEN2_5, QWEN3 = 636_968_960, 639_647_232, 649_894_784
LIMITS = Limits(0.9, 256, 8192, 8192)


def ear(architecture: str, hidden: int = 3584, **values: Any) -> Any:
    found, reason = read_ear(architecture, {"audio_config": {}, **values}, "config", hidden)
    assert found is not None, reason
    return found


@pytest.mark.parametrize("repo", HEARING)
def test_an_encoder_has_the_elements_of_its_model(repo: str) -> None:
    found = read_shape(HEARING[repo]["config"]).ear
    assert found is not None
    assert found.parameters == HEARING[repo]["parts"]["audio"]


def test_qwens_have_the_elements_of_their_classes() -> None:
    whole = ear("Qwen2AudioForConditionalGeneration", hidden=4096)
    assert whole.parameters == QWEN2 + 1280 * 4096 + 4096
    assert ear("Qwen2_5OmniForConditionalGeneration").parameters == QWEN2_5
    omni = ear("Qwen3OmniMoeForConditionalGeneration", thinker_config={"audio_config": {}})
    assert omni.parameters == QWEN3
    assert {one.tokens for one in (whole, omni)} == {750}


def test_ranks_divide_qwen3_omni_where_they_divide_its_heads() -> None:
    omni = ear("Qwen3OmniMoeForConditionalGeneration")
    assert [omni.ranks(ranks) for ranks in (1, 2, 4, 8)] == [1, 2, 4, 1]
    assert ear("Qwen2_5OmniForConditionalGeneration").ranks(2) == 1
    assert omni.widths == {}


def hears(repo: str, images: int, audios: int) -> Shape:
    return read_shape(HEARING[repo]["config"]).seeing(images, audios)


def test_sound_decides_a_step_where_it_has_more_tokens() -> None:
    both, sees = (hears("google/gemma-4-E4B-it", 2, audios) for audios in (1, 0))
    assert tower_bytes(both, Split(tensor=2)) == 2 * (169_331_136 + 308_757_248)
    assert tower_bytes(sees, Split(tensor=2)) == 2 * 169_331_136
    assert both.ear and budget_tokens(both.ear, LIMITS) == 8192
    row = 2 * 2560
    assert seeing(both, Split(), LIMITS, 0).kept_bytes == 8192 // 750 * 750 * row
    assert seeing(sees, Split(), LIMITS, 0).kept_bytes == 8192 // 280 * 280 * row


def test_what_hears_nothing_or_too_long_is_said() -> None:
    _, reason = read_ear("Gemma3ForConditionalGeneration", {}, "config", 8)
    assert reason == "Gemma3ForConditionalGeneration hears nothing that is known"
    _, reason = read_ear("VoxtralForConditionalGeneration", {"audio_config": {}}, "config", 8)
    assert "as long as the context" in reason
    values = {"audio_config": {"d_model": "x", "encoder_layers": []}}
    _, reason = read_ear("Qwen2AudioForConditionalGeneration", values, "config", 8)
    assert "config.audio_config.d_model" in reason and "encoder_layers" in reason


def test_gemma_4_12b_hears_without_an_encoder() -> None:
    """Its frames of 40 ms are projected by what stands beside its text model always."""
    values = {"audio_config": {}, "text_config": {}}
    ear, _ = read_ear("Gemma4UnifiedForConditionalGeneration", values, "config", 3840)
    assert ear is not None
    assert (ear.parameters, ear.tokens, ear.inputs, ear.unbroken) == (0, 750, 640, True)
