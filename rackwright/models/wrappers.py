"""Models of text and images or sound, by the text model inside, which is what is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TEXT_OF = {
    "DotsOCRForCausalLM": "Qwen2ForCausalLM",
    "Exaone4_5_ForConditionalGeneration": "Exaone4ForCausalLM",
    "Gemma3ForConditionalGeneration": "Gemma3ForCausalLM",
    "Gemma4ForConditionalGeneration": "Gemma4ForCausalLM",
    "Glm5NextForConditionalGeneration": "Glm5NextForCausalLM",
    "KimiK25ForConditionalGeneration": "DeepseekV3ForCausalLM",
    "Lfm2VlForConditionalGeneration": "Lfm2ForCausalLM",
    "Llama4ForConditionalGeneration": "Llama4ForCausalLM",
    "Mistral3ForConditionalGeneration": "MistralForCausalLM",
    "MuseGlimmerForConditionalGeneration": "MuseGlimmerForCausalLM",
    "Phi3VForCausalLM": "Phi3ForCausalLM",
    "Qwen2VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen2_5_VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen3VLForConditionalGeneration": "Qwen3ForCausalLM",
    "Qwen3VLMoeForConditionalGeneration": "Qwen3MoeForCausalLM",
    "Qwen3_5ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "Qwen3_5MoeForConditionalGeneration": "Qwen3_5MoeForCausalLM",
    "VoxtralForConditionalGeneration": "LlamaForCausalLM",
}
"""Wrappers by the architecture of their text model."""
ANY_TEXT = (
    "InternVLChatModel",
    "InternVLForConditionalGeneration",
    "LlavaForConditionalGeneration",
    "LlavaNextForConditionalGeneration",
)
"""Wrappers of whatever text model the inner file names by its ``model_type``."""
FLAT = (
    "DotsOCRForCausalLM",
    "Phi3VForCausalLM",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
)
"""Wrappers whose files have the text model's keys beside their own, or had before they moved."""
INNER = ("text_config", "llm_config")
"""Where the text model's keys stand; the engine takes the first that is there."""
BY_TYPE = {
    "gpt_oss": "GptOssForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
}
"""Text models by what ``text_config`` calls their type."""
LEFT_OUT: dict[str, dict[str, Any]] = {
    "gemma3_text": {
        "vocab_size": 262208,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
    },
    "llama": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
    },
    "mistral": {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "max_position_embeddings": 131072,
    },
}
"""What a ``text_config`` of that type leaves out where it is the class's own: transformers 5.24."""
_SHARED = ("dtype", "torch_dtype", "tie_word_embeddings", "quantization_config")


def is_wrapper(architecture: str) -> bool:
    """Whether this architecture sees or hears, and its text model is known by name or by type."""
    return architecture in TEXT_OF or architecture in ANY_TEXT


def inner_key(values: Mapping[str, Any]) -> str:
    """The key of the text model inside; the usual one where there is none."""
    return next((key for key in INNER if values.get(key) is not None), INNER[0])


def inner_type(values: Mapping[str, Any]) -> str:
    """What the text model inside calls its type; empty where it does not say."""
    inner = values.get(inner_key(values))
    kind = inner.get("model_type") if isinstance(inner, Mapping) else None
    return kind if isinstance(kind, str) else ""


def text_architecture(architecture: str, values: Mapping[str, Any]) -> str | None:
    """The architecture of the text model inside; None where its type is not known."""
    return TEXT_OF.get(architecture) or BY_TYPE.get(inner_type(values))


def text_values(architecture: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keys of the text model inside, what it leaves out filled in; None where it has none."""
    inner = values.get(inner_key(values))
    if not isinstance(inner, Mapping):
        return dict(values) if architecture in FLAT else None
    shared = {key: values[key] for key in _SHARED if key in values}
    return {**LEFT_OUT.get(inner_type(values), {}), **shared, **inner}
