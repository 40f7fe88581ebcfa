"""Models of text and images or sound, by the text model inside, which is what is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.late import LATE
from rackwright.models.left_out import LEFT_OUT

BY_THEIR_OWN_NAME = (
    "ColModernVBertForRetrieval",
    "ColPaliForRetrieval",
    "ColQwen3",
    "ColQwen3_5",
    "EmbeddingGemma2Model",
    "JinaVLForRanking",
    "OpsColQwen3Model",
    "Qwen3VLNemotronEmbedModel",
)
"""Which answer with vectors or scores, by a text model that no other name builds."""
TEXT_OF = {
    **dict.fromkeys(
        (
            "DeepseekOCR2ForCausalLM",
            "DeepseekOCRForCausalLM",
            "DeepseekVLV2ForCausalLM",
            "UnlimitedOCRForCausalLM",
        ),
        "DeepseekV2ForCausalLM",
    ),
    "AriaForConditionalGeneration": "AriaTextForCausalLM",
    "AudioFlamingo3ForConditionalGeneration": "Qwen2ForCausalLM",
    "BagelForConditionalGeneration": "Qwen2ForCausalLM",
    "BailingMoeV3VLForConditionalGeneration": "BailingMoeV3ForCausalLM",
    "ClefOmniForJointSchema": "Qwen3MoeForCausalLM",
    **{name: name for name in BY_THEIR_OWN_NAME},
    "CohereCompassForConditionalGeneration": "Cohere2ForCausalLM",
    "Cosmos3ForConditionalGeneration": "Qwen3ForCausalLM",
    "DeepseekV41ForCausalLM": "DeepseekV41ForCausalLM",
    "DeepseekV4ForConditionalGeneration": "DeepseekV4ForCausalLM",
    "DiffusionGemmaForBlockDiffusion": "Gemma4ForCausalLM",
    "Dots3NoteForCausalLM": "Dots3NoteForCausalLM",
    "DotsOCRForCausalLM": "Qwen2ForCausalLM",
    "Ernie4_5_VLMoeForConditionalGeneration": "Ernie4_5_VLMoeForCausalLM",
    "Emu3ForConditionalGeneration": "LlamaForCausalLM",
    "Exaone4_5_ForConditionalGeneration": "Exaone4ForCausalLM",
    "FunAudioChatForConditionalGeneration": "Qwen3ForCausalLM",
    "GLM4VForCausalLM": "ChatGLMModel",
    "Gemma3ForConditionalGeneration": "Gemma3ForCausalLM",
    "Gemma3nForConditionalGeneration": "Gemma3nForCausalLM",
    "Gemma4ForConditionalGeneration": "Gemma4ForCausalLM",
    "Gemma4UnifiedForConditionalGeneration": "Gemma4ForCausalLM",
    "Glm4vForConditionalGeneration": "Glm4ForCausalLM",
    "Glm4vMoeForConditionalGeneration": "Glm4MoeForCausalLM",
    "Glm5NextForConditionalGeneration": "Glm5NextForCausalLM",
    "GlmAsrForConditionalGeneration": "LlamaForCausalLM",
    "GlmOcrForConditionalGeneration": "Glm4ForCausalLM",
    "HunYuanVLForConditionalGeneration": "HunYuanDenseV1ForCausalLM",
    "InklingForConditionalGeneration": "InklingForCausalLM",
    "InternS2PreviewForConditionalGeneration": "Qwen3_5MoeForCausalLM",
    "InternS1ProForConditionalGeneration": "Qwen3MoeForCausalLM",
    "LlamaNemotronVLForSequenceClassification": "LlamaBidirectionalForSequenceClassification",
    "LlamaNemotronVLModel": "LlamaBidirectionalModel",
    "MolmoForCausalLM": "MolmoForCausalLM",
    "OpenPanguVLForConditionalGeneration": "PanguEmbeddedForCausalLM",
    "IsaacForConditionalGeneration": "Qwen3ForCausalLM",
    "KananaVForConditionalGeneration": "LlamaForCausalLM",
    "KeyeForConditionalGeneration": "Qwen3ForCausalLM",
    "KeyeVL1_5ForConditionalGeneration": "Qwen3ForCausalLM",
    "KimiK25ForConditionalGeneration": "DeepseekV3ForCausalLM",
    "KimiK3ForConditionalGeneration": "KimiLinearForCausalLM",
    "KimiVLForConditionalGeneration": "DeepseekV3ForCausalLM",
    "Lfm2VlForConditionalGeneration": "Lfm2ForCausalLM",
    "Llama4ForConditionalGeneration": "Llama4ForCausalLM",
    "Llama_Nemotron_Nano_VL": "LlamaForCausalLM",
    "LlavaOnevision2ForConditionalGeneration": "Qwen3ForCausalLM",
    "MiDashengLMModel": "Qwen2ForCausalLM",
    "MiMoV2OmniForCausalLM": "MiMoV2FlashForCausalLM",
    "MiniCPMV4_6ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "MiniCPMV4_7ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "MiniMaxM3SparseForConditionalGeneration": "MiniMaxM3SparseForCausalLM",
    "Mistral3ForConditionalGeneration": "MistralForCausalLM",
    "HfMoondream": "Moondream3ForCausalLM",
    "Moondream3ForCausalLM": "Moondream3ForCausalLM",
    "Molmo2ForConditionalGeneration": "Molmo2ForConditionalGeneration",
    "MoonshotKimiaForCausalLM": "Qwen2ForCausalLM",
    "MossTranscribeDiarizeForConditionalGeneration": "Qwen3ForCausalLM",
    "MuseGlimmerForConditionalGeneration": "MuseGlimmerForCausalLM",
    **dict.fromkeys(
        (
            "NemotronH_Nano_Omni_Reasoning_V3",
            "NemotronH_Nano_VL_V2",
            "NemotronH_Omni_Reasoning_V3",
            "NemotronH_Super_Omni_Reasoning_V3",
        ),
        "NemotronHForCausalLM",
    ),
    "OpenCUAForConditionalGeneration": "Qwen2ForCausalLM",
    "PaddleOCRVLForConditionalGeneration": "Ernie4_5ForCausalLM",
    "Phi3VForCausalLM": "Phi3ForCausalLM",
    "Phi4ForCausalLMV": "Phi3ForCausalLM",
    "Phi4MMForCausalLM": "Phi3ForCausalLM",
    "Qwen2AudioForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen2VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen2_5OmniForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen2_5OmniModel": "Qwen2ForCausalLM",
    "Qwen2_5_VLForConditionalGeneration": "Qwen2ForCausalLM",
    "Qwen3ASRForConditionalGeneration": "Qwen3ForCausalLM",
    "Qwen3ASRRealtimeGeneration": "Qwen3ForCausalLM",
    "Qwen3OmniMoeForConditionalGeneration": "Qwen3MoeForCausalLM",
    "Qwen3VLForConditionalGeneration": "Qwen3ForCausalLM",
    "Qwen3VLMoeForConditionalGeneration": "Qwen3MoeForCausalLM",
    "Qwen3_5ForConditionalGeneration": "Qwen3_5ForCausalLM",
    "Qwen3_5MoeForConditionalGeneration": "Qwen3_5MoeForCausalLM",
    "Qwen4ExpForConditionalGeneration": "Qwen4ExpForCausalLM",
    "Step3VLForConditionalGeneration": "Step3TextForCausalLM",
    "Step3p7ForConditionalGeneration": "Step3p5ForCausalLM",
    "VibeVoiceAsrForConditionalGeneration": "Qwen2ForCausalLM",
    "VoxtralForConditionalGeneration": "LlamaForCausalLM",
}
"""Wrappers by the architecture of their text model."""
ANY_TEXT = (
    "BeeForConditionalGeneration",
    "Blip2ForConditionalGeneration",
    "Cohere2VisionForConditionalGeneration",
    "Eagle2_5_VLForConditionalGeneration",
    "Granite4VisionForConditionalGeneration",
    "GraniteSpeechForConditionalGeneration",
    "GraniteSpeechPlusForConditionalGeneration",
    "H2OVLChatModel",
    "HCXVisionV2ForCausalLM",
    "Idefics3ForConditionalGeneration",
    "InternS1ForConditionalGeneration",
    "InternVLChatModel",
    "InternVLForConditionalGeneration",
    "LightOnOCRForConditionalGeneration",
    "LlavaForConditionalGeneration",
    "LlavaNextForConditionalGeneration",
    "LlavaNextVideoForConditionalGeneration",
    "LlavaOnevisionForConditionalGeneration",
    "MiniCPMV",
    "NVLM_D",
    "Ovis",
    "Ovis2_5",
    "Ovis2_6ForCausalLM",
    "Ovis2_6_MoeForCausalLM",
    "PaliGemmaForConditionalGeneration",
    "PixtralForConditionalGeneration",
    "QianfanOCRForConditionalGeneration",
    "RForConditionalGeneration",
    "SkyworkR1VChatModel",
    "SmolVLMForConditionalGeneration",
    "StepVLForConditionalGeneration",
    "UltravoxModel",
)
"""Wrappers of whatever text model the inner file names by its ``model_type``."""
OF_NEAR_SECTIONS = ("Qwen3VLForConditionalGeneration", "Qwen3VLMoeForConditionalGeneration")
"""Whose rotations in sections reach no further than a text, unlike those of other classes with the
same text model (mrope_positions_factor in vllm/model_executor/models/qwen3_vl.py, 0.32)."""
OF_MISTRAL = ("Mistral3ForConditionalGeneration", "VoxtralForConditionalGeneration")
"""Whose repositories have a params.json too, by which the engine reads them."""
OWN_TEXT = (
    "Lfm2VlForConditionalGeneration",
    "Llama_Nemotron_Nano_VL",
    "Mistral3ForConditionalGeneration",
    "VoxtralForConditionalGeneration",
)
"""Those of TEXT_OF that name no architecture for what is inside: its ``model_type`` counts.

Source: lfm2_vl.py, nemotron_vl.py, mistral3.py, voxtral.py in vllm/model_executor/models, 0.32.
"""
FLAT = (
    *BY_THEIR_OWN_NAME,
    "DeepseekV41ForCausalLM",
    "GLM4VForCausalLM",
    "HfMoondream",
    "Moondream3ForCausalLM",
    "Molmo2ForConditionalGeneration",
    "MolmoForCausalLM",
    "OpenPanguVLForConditionalGeneration",
    "MoonshotKimiaForCausalLM",
    "DeepseekV4ForConditionalGeneration",
    "Dots3NoteForCausalLM",
    "DotsOCRForCausalLM",
    "Ernie4_5_VLMoeForConditionalGeneration",
    "HunYuanVLForConditionalGeneration",
    "IsaacForConditionalGeneration",
    "KeyeForConditionalGeneration",
    "KeyeVL1_5ForConditionalGeneration",
    "MiniCPMV",
    "PaddleOCRVLForConditionalGeneration",
    "Phi3VForCausalLM",
    "Phi4ForCausalLMV",
    "Phi4MMForCausalLM",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3VLNemotronEmbedModel",
)
"""Wrappers whose files have the text model's keys beside their own, or had before they moved."""
INNER = ("text_config", "llm_config", "language_config")
"""Where the text model's keys stand; the engine takes the first that is there."""
THINKER = "thinker_config"
"""Where models that also speak have what listens, sees and writes: all that the engine loads."""
PALI = "vlm_config"
"""Where a ColPali has the model that sees (ColPaliConfig in vllm/transformers_utils/configs)."""
OF_VECTORS = (
    *dict.fromkeys(key for one in LATE.values() if one.projection for key in one.projection.keys),
    "retrieval_attention_contract",
)
"""Keys that stand beside the text model of one that answers with a vector of each token."""
BY_TYPE = {
    "cohere": "CohereForCausalLM",
    "cohere2": "Cohere2ForCausalLM",
    "cohere2_moe": "Cohere2MoeForCausalLM",
    "deepseek_v2": "DeepseekV2ForCausalLM",
    "deepseek_v3": "MistralLarge3ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "glm4": "Glm4ForCausalLM",
    "gpt_oss": "GptOssForCausalLM",
    "granite": "GraniteForCausalLM",
    "hyperclovax": "HyperCLOVAXForCausalLM",
    "internlm2": "InternLM2ForCausalLM",
    "lfm2": "Lfm2ForCausalLM",
    "lfm2_moe": "Lfm2MoeForCausalLM",
    "llama": "LlamaForCausalLM",
    "ministral3": "Ministral3ForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "opt": "OPTForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
}
"""Text models by what ``text_config`` calls their type."""
SEES_BESIDE = "DeepseekV41ForCausalLM"
"""Its text model is quantized by the whole's type, and has more figures where there is a tower."""
VERSIONED = "MiniCPMV"
BY_VERSION = {
    "2.5": "LlamaForCausalLM",
    "2.6": "Qwen2ForCausalLM",
    "4.0": "LlamaForCausalLM",
    "4.5": "Qwen3ForCausalLM",
}
"""Text models of MiniCPM-V by its ``version`` (vllm/model_executor/models/minicpmv.py, 0.32); that
of 2.0 is not known.
"""
DTYPES = ("dtype", "torch_dtype")
"""The key of a dtype by its names of today and before."""
TIED = "tie_word_embeddings"
_SHARED = (*DTYPES, TIED, "quantization_config", "compression_config")
TIED_BY_EITHER = {
    "GlmOcrForConditionalGeneration": False,
    "Glm4vForConditionalGeneration": False,
    "Glm4vMoeForConditionalGeneration": False,
    "LlavaForConditionalGeneration": False,
    "LlavaNextVideoForConditionalGeneration": False,
    "LlavaOnevisionForConditionalGeneration": False,
    "PaddleOCRVLForConditionalGeneration": True,
    "Qwen2VLForConditionalGeneration": False,
    "Qwen2_5_VLForConditionalGeneration": False,
}
"""Wrappers whose class ties where the whole or the text model says so, with what their text model
has where it says nothing (``__post_init__`` of their classes, transformers 5.19 and 5.24).
"""
TIED_BY_TEXT = "HunYuanVLForConditionalGeneration"
"""The wrapper whose text model alone says it, which is tied unless it says it is not (5.19)."""
UNTIED_UNLESS_SAID = (
    "AriaForConditionalGeneration",
    "BailingMoeV3VLForConditionalGeneration",
    "Cosmos3ForConditionalGeneration",
    "Emu3ForConditionalGeneration",
    "Exaone4_5_ForConditionalGeneration",
    "Glm5NextForConditionalGeneration",
    "Granite4VisionForConditionalGeneration",
    "Idefics3ForConditionalGeneration",
    "InklingForConditionalGeneration",
    "IsaacForConditionalGeneration",
    "Llama4ForConditionalGeneration",
    "LlavaNextForConditionalGeneration",
    "MiniCPMV4_6ForConditionalGeneration",
    "MiniCPMV4_7ForConditionalGeneration",
    "Molmo2ForConditionalGeneration",
    "QianfanOCRForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "Qwen3VLMoeForConditionalGeneration",
    "Qwen3_5ForConditionalGeneration",
    "Qwen3_5MoeForConditionalGeneration",
    "Qwen4ExpForConditionalGeneration",
    "SmolVLMForConditionalGeneration",
)
"""Wrappers whose class has ``tie_word_embeddings`` as false: where the whole does not say it, the
text model's is not looked at (``VllmConfig.with_hf_config``). Of those that have it as true the
text model's counts: where that is false a head is stored, and a stored head is loaded.
"""


def seen_as(architecture: str, values: Mapping[str, Any]) -> str:
    """The name of what sees too, where a file has that of its text model: DeepSeek V4's.

    Source: DeepseekV4's convertor in vllm/transformers_utils/model_arch_config_convertor.py, 0.32.
    """
    layers = values.get("vision_n_layers")
    sees = type(layers) is int and layers > 0
    text, both = "DeepseekV4ForCausalLM", "DeepseekV4ForConditionalGeneration"
    return both if sees and architecture == text else architecture


def is_wrapper(architecture: str) -> bool:
    """Whether this architecture sees or hears, and its text model is known by name or by type."""
    return architecture in TEXT_OF or architecture in ANY_TEXT


def thinker(values: Mapping[str, Any], path: str) -> tuple[Mapping[str, Any], str]:
    """The keys of what writes in a model that also speaks, or sees in one that retrieves, and
    where they stand.

    Source: vllm/model_executor/models/qwen3_omni_moe_thinker.py, qwen2_5_omni_thinker.py,
    ColPaliConfig in transformers_utils/configs/colpali.py, 0.32.
    """
    if isinstance(inner := values.get(PALI), Mapping):
        own = {key: values[key] for key in (*_SHARED, *OF_VECTORS) if key in values}
        return {**inner, **own}, f"{path}.{PALI}"
    inner = values.get(THINKER)
    if not isinstance(inner, Mapping):
        return values, path
    shared = {key: values[key] for key in _SHARED if key in values}
    return {**shared, **inner}, f"{path}.{THINKER}"


def inner_key(values: Mapping[str, Any]) -> str:
    """The key of the text model inside; the usual one where there is none."""
    return next((key for key in INNER if values.get(key) is not None), INNER[0])


def inner_type(values: Mapping[str, Any]) -> str:
    """What the text model inside calls its type; empty where it does not say."""
    inner = values.get(inner_key(values))
    kind = inner.get("model_type") if isinstance(inner, Mapping) else None
    return kind if isinstance(kind, str) else ""


def text_architecture(architecture: str, values: Mapping[str, Any]) -> str | None:
    """The architecture of the text model inside; None where its type is not known.

    DeepSeek's OCR models name V2, and sizes of 0 where they attend with plain heads (``use_mha`` in
    vllm/model_executor/models/deepseek_v2.py, 0.32).
    """
    if architecture == VERSIONED:
        return BY_VERSION.get(str(values.get("version")))
    usual, kind = TEXT_OF.get(architecture), inner_type(values)
    named = BY_TYPE.get(kind) if kind and architecture in OWN_TEXT else usual or BY_TYPE.get(kind)
    inner = values.get(inner_key(values))
    if named != "DeepseekV2ForCausalLM" or not isinstance(inner, Mapping):
        return named
    plain = all(inner.get(f"qk_{part}_head_dim") == 0 for part in ("nope", "rope"))
    return "DeepseekForCausalLM" if plain else named


def text_values(architecture: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keys of the text model inside, what it leaves out filled in; None where it has none.

    What the model says of itself as a whole counts before what its text model says.
    """
    inner = values.get(inner_key(values))
    if not isinstance(inner, Mapping):
        return dict(values) if architecture in FLAT else None
    whole = {key: values[key] for key in outer_keys(architecture, values)}
    whole |= _tied(architecture, values, inner)
    dropped = DTYPES if set(DTYPES) & set(whole) else ()
    own = {key: inner[key] for key in inner if key not in dropped}
    if architecture == SEES_BESIDE:
        seen = values.get("vision_config")
        own["model_type"] = values.get("model_type")
        own["vision_n_layers"] = seen.get("num_hidden_layers") if isinstance(seen, Mapping) else 0
    usual = LEFT_OUT.get(inner_type(values), {}) | LEFT_OUT.get(str(values.get("model_type")), {})
    return {**usual, **own, **whole}


def _tied(architecture: str, values: Mapping[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Whether one table is both, where the whole alone does not say it."""
    said, own = values.get(TIED), inner.get(TIED)
    if architecture == TIED_BY_TEXT:
        return {} if said is None else {TIED: True if own is None else own}
    if said is None and architecture in UNTIED_UNLESS_SAID:
        return {TIED: False}
    if said is not False or architecture not in TIED_BY_EITHER:
        return {}
    return {TIED: TIED_BY_EITHER[architecture] if own is None else own}


def outer_keys(architecture: str, values: Mapping[str, Any]) -> list[str]:
    """Keys of the text model that stand beside it, and of the vectors made of what it makes.

    Source: VllmConfig.with_hf_config for tied tables, get_quantization_config in
    transformers_utils/model_arch_config_convertor.py, vLLM 0.32.
    """
    if not isinstance(values.get(inner_key(values)), Mapping):
        return []
    of_vectors = OF_VECTORS if architecture in LATE else ()
    return [key for key in (*_SHARED, *of_vectors) if values.get(key) is not None]
