"""Models whose class in vLLM has no pipeline stages: the engine ends where it is asked for some.

Source: which classes of vllm/model_executor/models lack ``SupportsPP``, 0.32; of those that answer
with vectors no stages are planned anyway. Nanbeige's layers are passed more than once, and what the
transformers backend deals to stages is counted by passes.
"""

from __future__ import annotations

UNSTAGED = frozenset(
    {
        "AriaForConditionalGeneration",
        "DiffusionGemmaForBlockDiffusion",
        "Gemma3nForCausalLM",
        "Gemma3nForConditionalGeneration",
        "HrmTextForCausalLM",
        "IQuestLoopCoderForCausalLM",
        "Idefics3ForConditionalGeneration",
        "Mamba2ForCausalLM",
        "NanbeigeForCausalLM",
        "NemotronH_Nano_Omni_Reasoning_V3",
        "NemotronH_Nano_VL_V2",
        "NemotronH_Omni_Reasoning_V3",
        "NemotronH_Super_Omni_Reasoning_V3",
        "NemotronParseForConditionalGeneration",
        "PaddleOCRVLForConditionalGeneration",
        "Phi4MMForCausalLM",
        "SmolVLMForConditionalGeneration",
        "WhisperForConditionalGeneration",
        "Zamba2ForCausalLM",
    }
)
"""By the architecture that ``config.json`` names."""
