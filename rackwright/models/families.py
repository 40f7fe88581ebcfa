"""What sets one decoder family apart from another. A new architecture is one line here.

Traits are read off the engine's own model code (vllm/model_executor/models, vLLM 0.26 and 0.32)
and proven by the parameter counts that the catalog's models publish.
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.answering import ANSWERING, WRITING, answer_of, other_heads
from rackwright.models.by_transformers import BY_TRANSFORMERS
from rackwright.models.family import Family
from rackwright.models.late import LATE
from rackwright.models.mixtures import MIXTURES

DENSE: dict[str, Family] = {
    "GPT2LMHeadModel": Family(
        mlp="plain",
        mlp_bias=True,
        mlp_times=4,
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
        reads_attention_bias=False,
        positions=True,
        tied=True,
    ),
    "OPTForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
        reads_attention_bias=False,
        positions=True,
        positions_skip=2,
        tied=True,
    ),
    "LlamaForCausalLM": Family(),
    "SolarForCausalLM": Family(),
    "NemotronForCausalLM": Family(mlp="plain", norm_bias=True),
    "GPTJForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        mlp_times=4,
        norms=1,
        norm_bias=True,
        head_bias=True,
    ),
    "DeciLMForCausalLM": Family(),
    "FalconH1ForCausalLM": Family(),
    "FalconMambaForCausalLM": Family(tied=True),
    "Mamba2ForCausalLM": Family(),
    "MambaForCausalLM": Family(tied=True),
    "ChatGLMModel": Family(output_follows_bias=False),
    "GraniteSWAForCausalLM": Family(tied=True, sinks=True, windows="from_first", pattern=4),
    "HrmTextForCausalLM": Family(norms=0, final_norm=False),
    "IQuestLoopCoderForCausalLM": Family(reads_attention_bias=False, windows="all"),
    "OlmoHybridForCausalLM": Family(qk_norm="all", linear=True),
    "Molmo2ForConditionalGeneration": Family(bias_key="qkv_bias", output_follows_bias=False),
    "Zamba2ForCausalLM": Family(tied=True),
    "Lfm2ForCausalLM": Family(qk_norm="head", tied=True),
    "InternLM2ForCausalLM": Family(reads_attention_bias=False),
    "InternLM3ForCausalLM": Family(),
    "HyperCLOVAXForCausalLM": Family(),
    "MiniCPM3ForCausalLM": Family(tied=True),
    "FalconForCausalLM": Family(mlp="plain", norm_bias=True, tied=True),
    "ExaoneForCausalLM": Family(),
    "GemmaForCausalLM": Family(tied=True),
    "Ernie4_5ForCausalLM": Family(tied=True),
    "Exaone4ForCausalLM": Family(qk_norm="head"),
    "ApertusForCausalLM": Family(mlp="plain", qk_norm="head", activation=2),
    "StableLmForCausalLM": Family(
        norm_bias=True, bias_key="use_qkv_bias", output_follows_bias=False
    ),
    "BloomForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        mlp_times=4,
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
        reads_attention_bias=False,
        embedding_norm=True,
        tied=True,
    ),
    "MolmoForCausalLM": Family(
        bias_key="qkv_bias",
        output_follows_bias=False,
        qk_norm="all",
        qk_norm_key="attention_layer_norm",
    ),
    "OrionForCausalLM": Family(norm_bias=True, reads_attention_bias=False),
    "PanguEmbeddedForCausalLM": Family(),
    "Plamo3ForCausalLM": Family(norms=4, qk_norm="head", tied=True, windows="pattern", pattern=8),
    "Rnj1ForCausalLM": Family(
        norms=4, qk_norm="head", tied=True, windows="pattern", scaled_context=True
    ),
    "Step1ForCausalLM": Family(tied=True),
    "TeleChat2ForCausalLM": Family(
        reads_attention_bias=False, output_bias=True, mlp_width="ffn_hidden_size"
    ),
    "MuseGlimmerForCausalLM": Family(norms=4, gated_query=True),
    "NemotronHForCausalLM": Family(mlp="plain"),
    "NemotronHPuzzleForCausalLM": Family(mlp="plain"),
    "MistralForCausalLM": Family(windows="all"),
    "Ministral3ForCausalLM": Family(windows="all"),
    "Qwen2ForCausalLM": Family(
        qkv_bias=True, reads_attention_bias=False, output_follows_bias=False, windows="upper"
    ),
    "MiMoForCausalLM": Family(qkv_bias=True, output_follows_bias=False, windows="upper"),
    "Qwen3ForCausalLM": Family(qk_norm="head", windows="upper"),
    "Phi3ForCausalLM": Family(),
    "GraniteForCausalLM": Family(),
    "Gemma2ForCausalLM": Family(norms=4, tied=True, windows="alternate", float16=False),
    "Gemma3ForCausalLM": Family(
        norms=4,
        tied=True,
        qk_norm="head",
        windows="pattern",
        scaled_context=True,
        float16=False,
    ),
    "Gemma3nForCausalLM": Family(tied=True, windows="pattern", pattern=5, scaled_context=True),
    "Gemma4ForCausalLM": Family(
        tied=True,
        windows="pattern",
        scaled_context=True,
        experts="num_experts",
        active="top_k_experts",
        experts_beside=True,
    ),
    "Glm4ForCausalLM": Family(norms=4, output_follows_bias=False, float16=False),
    "CohereForCausalLM": Family(norms=1, tied=True, qk_norm="all", qk_norm_key="use_qk_norm"),
    "Cohere2ForCausalLM": Family(norms=1, tied=True, windows="pattern", pattern=4),
    "Qwen3_5ForCausalLM": Family(
        qk_norm="head",
        output_follows_bias=False,
        linear=True,
        gated_query=True,
        section_reach=1,
    ),
}
"""Families without experts, or with some beside an MLP."""
FAMILIES = {**DENSE, **BY_TRANSFORMERS, **MIXTURES, **ANSWERING, **LATE}
"""Every family by the architecture that ``config.json`` names."""


def base_of(architecture: str) -> str:
    """The known name that an architecture is built as; empty where it is none."""
    if architecture in FAMILIES:
        return architecture
    return next((name for name in other_heads(architecture) if name in FAMILIES), "")


def family_of(architecture: str) -> Family:
    """How an architecture is built for which there is a ``base_of``."""
    base = base_of(architecture)
    family = FAMILIES[base]
    if base == architecture or family.headless or architecture.endswith(WRITING):
        return family
    both = architecture.startswith("LlamaBidirectional")
    return replace(family, headless=True, answer=answer_of(architecture), encoder=both)
