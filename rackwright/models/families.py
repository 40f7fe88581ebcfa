"""What sets one decoder family apart from another. A new architecture is one line here.

Traits are read off the engine's own model code (vllm/model_executor/models, vLLM 0.26 and 0.32)
and proven by the parameter counts that the catalog's models publish.
"""

from __future__ import annotations

from rackwright.models.answering import ANSWERING
from rackwright.models.family import Family
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
    "DeciLMForCausalLM": Family(),
    "FalconH1ForCausalLM": Family(second_runner=False),
    "Lfm2ForCausalLM": Family(qk_norm="head", tied=True, second_runner=False),
    "InternLM3ForCausalLM": Family(),
    "ExaoneForCausalLM": Family(),
    "SmolLM3ForCausalLM": Family(tied=True),
    "GemmaForCausalLM": Family(tied=True),
    "Ernie4_5ForCausalLM": Family(tied=True),
    "HunYuanDenseV1ForCausalLM": Family(qk_norm="head", qk_norm_key="use_qk_norm"),
    "Exaone4ForCausalLM": Family(qk_norm="head"),
    "OlmoForCausalLM": Family(norms=0, final_norm=False),
    "ApertusForCausalLM": Family(mlp="plain", qk_norm="head", activation=2),
    "StableLmForCausalLM": Family(norm_bias=True),
    "MuseGlimmerForCausalLM": Family(norms=4, gated_query=True),
    "PhiForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        norms=1,
        norm_bias=True,
        head_bias=True,
        qkv_bias=True,
        output_bias=True,
        reads_attention_bias=False,
    ),
    "GPTNeoXForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
    ),
    "Starcoder2ForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
        reads_attention_bias=False,
        tied=True,
        windows="all",
    ),
    "NemotronHForCausalLM": Family(mlp="plain", second_runner=False),
    "MistralForCausalLM": Family(windows="all"),
    "Ministral3ForCausalLM": Family(windows="all"),
    "Qwen2ForCausalLM": Family(
        qkv_bias=True, reads_attention_bias=False, output_follows_bias=False, windows="upper"
    ),
    "MiMoForCausalLM": Family(qkv_bias=True, output_follows_bias=False, windows="upper"),
    "Qwen3ForCausalLM": Family(qk_norm="head", windows="upper"),
    "Phi3ForCausalLM": Family(),
    "GraniteForCausalLM": Family(),
    "Olmo2ForCausalLM": Family(qk_norm="all"),
    "Olmo3ForCausalLM": Family(qk_norm="all", windows="pattern"),
    "Gemma2ForCausalLM": Family(norms=4, tied=True, windows="alternate", float16=False),
    "Gemma3ForCausalLM": Family(
        norms=4,
        tied=True,
        qk_norm="head",
        windows="pattern",
        scaled_context=True,
        float16=False,
    ),
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
    "SeedOssForCausalLM": Family(output_follows_bias=False),
    "Qwen3_5ForCausalLM": Family(
        qk_norm="head", output_follows_bias=False, linear=True, gated_query=True
    ),
}
"""Families without experts, or with some beside an MLP."""
FAMILIES = {**DENSE, **MIXTURES, **ANSWERING}
"""Every family by the architecture that ``config.json`` names."""
