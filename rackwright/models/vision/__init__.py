"""Towers: what sees in a model of text and images, by its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.config import Config
from rackwright.models.vision.deepseek_v4 import deepseek_v4, deepseek_v41
from rackwright.models.vision.gemma4 import gemma4, gemma4_unified
from rackwright.models.vision.intern import internvl
from rackwright.models.vision.pixtral import mistral3, pixtral
from rackwright.models.vision.qwen import qwen2, qwen2_5, qwen3
from rackwright.models.vision.siglip import gemma3
from rackwright.models.vision.tower import Tower
from rackwright.models.wrappers import thinker

__all__ = ["TOWERS", "Tower", "read_tower"]

TOWERS = {
    **dict.fromkeys(
        ("ColQwen3", "ColQwen3_5", "OpsColQwen3Model", "Qwen3VLNemotronEmbedModel"), qwen3
    ),
    "DeepseekV41ForCausalLM": deepseek_v41,
    "DeepseekV4ForConditionalGeneration": deepseek_v4,
    "DiffusionGemmaForBlockDiffusion": gemma4,
    "Gemma3ForConditionalGeneration": gemma3,
    "Gemma4ForConditionalGeneration": gemma4,
    "Gemma4UnifiedForConditionalGeneration": gemma4_unified,
    "InternVLChatModel": internvl,
    "Mistral3ForConditionalGeneration": mistral3,
    "PixtralForConditionalGeneration": pixtral,
    "Qwen2VLForConditionalGeneration": qwen2,
    "Qwen2_5OmniForConditionalGeneration": qwen2_5,
    "Qwen2_5OmniModel": qwen2_5,
    "Qwen2_5_VLForConditionalGeneration": qwen2_5,
    "Qwen3OmniMoeForConditionalGeneration": qwen3,
    "Qwen3VLForConditionalGeneration": qwen3,
    "Qwen3VLMoeForConditionalGeneration": qwen3,
    "Qwen3_5ForConditionalGeneration": qwen3,
    "Qwen3_5MoeForConditionalGeneration": qwen3,
    "Qwen4ExpForConditionalGeneration": qwen3,
}
"""Readers of towers: each takes the whole config, and the hidden size of the text model."""


def read_tower(
    architecture: str, values: Mapping[str, Any], path: str, hidden: int
) -> tuple[Tower | None, str]:
    """The tower of a model, or why there is none to plan with: text is served without it."""
    if architecture not in TOWERS:
        return None, f"what sees in {architecture} is not known yet"
    config = Config(*thinker(values, path))
    tower = TOWERS[architecture](config, hidden)
    if config.faults:
        return None, "; ".join(str(fault) for fault in config.faults)
    return tower, ""
