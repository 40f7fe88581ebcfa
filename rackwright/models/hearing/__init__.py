"""Encoders of sound: what hears in a model of text and sound, by its architecture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.config import Config
from rackwright.models.hearing.gemma4 import gemma4, gemma4_unified
from rackwright.models.hearing.qwen import qwen2_5_omni, qwen2_audio, qwen3_omni
from rackwright.models.vision.tower import Tower
from rackwright.models.wrappers import thinker

EARS = {
    "Gemma4ForConditionalGeneration": gemma4,
    "Gemma4UnifiedForConditionalGeneration": gemma4_unified,
    "Qwen2AudioForConditionalGeneration": qwen2_audio,
    "Qwen2_5OmniForConditionalGeneration": qwen2_5_omni,
    "Qwen2_5OmniModel": qwen2_5_omni,
    "Qwen3OmniMoeForConditionalGeneration": qwen3_omni,
}
"""Readers of encoders: each takes the whole config, and the hidden size of the text model."""
TRANSCRIBES = frozenset(
    {
        *("CohereAsrForConditionalGeneration", "FireRedASR2ForConditionalGeneration"),
        *("FunASRForConditionalGeneration", "Gemma3nForConditionalGeneration"),
        *("GlmAsrForConditionalGeneration", "GraniteSpeechForConditionalGeneration"),
        *("KimiAudioForConditionalGeneration", "MossTranscribeDiarizeForConditionalGeneration"),
        *("Qwen3ASRForConditionalGeneration", "Qwen3OmniMoeForConditionalGeneration"),
        *("VoxtralForConditionalGeneration", "WhisperForConditionalGeneration"),
    }
)
"""Whose class in vLLM 0.32 has SupportsTranscription, and no other: Qwen2-Audio, Qwen2.5-Omni and
Gemma 4 take sounds in chats alone."""
REFUSED = {
    "VoxtralForConditionalGeneration": "its largest sound is as long as the context, all of which "
    "is encoded at once (VoxtralProcessingInfo): that is not planned yet",
}
"""Those that hear and cannot be planned, and why."""


def read_ear(
    architecture: str, values: Mapping[str, Any], path: str, hidden: int
) -> tuple[Tower | None, str]:
    """What hears in a model, or why there is nothing to plan with: text is served without it."""
    values, path = thinker(values, path)
    if architecture in REFUSED:
        return None, REFUSED[architecture]
    if architecture not in EARS or values.get("audio_config") is None:
        return None, f"{architecture} hears nothing that is known"
    config = Config(values, path)
    ear = EARS[architecture](config, hidden)
    if config.faults:
        return None, "; ".join(str(fault) for fault in config.faults)
    return ear, ""
