"""Families that vLLM 0.32 serves by transformers' own modules.

Source: _TRANSFORMERS_SUPPORTED_MODELS in vllm/model_executor/models/registry.py.
"""

from __future__ import annotations

from rackwright.models.family import Family

BY_TRANSFORMERS: dict[str, Family] = {
    "ArceeForCausalLM": Family(mlp="plain"),
    "CwmForCausalLM": Family(reads_attention_bias=False, windows="from_first", pattern=4),
    "FlexOlmoForCausalLM": Family(
        qk_norm="all", experts="num_experts", expert_width="intermediate_size"
    ),
    "GlmForCausalLM": Family(qkv_bias=True, output_follows_bias=False),
    "GPTBigCodeForCausalLM": Family(
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
    "GPTNeoXForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        norm_bias=True,
        qkv_bias=True,
        output_bias=True,
    ),
    "HunYuanDenseV1ForCausalLM": Family(qk_norm="head"),
    "Jais2ForCausalLM": Family(mlp="plain", mlp_bias=True, norm_bias=True, qkv_bias=True),
    "MellumForCausalLM": Family(qk_norm="head", experts="num_experts"),
    "NanbeigeForCausalLM": Family(),
    "OlmoForCausalLM": Family(norms=0, final_norm=False),
    "Olmo2ForCausalLM": Family(qk_norm="all"),
    "Olmo3ForCausalLM": Family(qk_norm="all", windows="pattern"),
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
    "SeedOssForCausalLM": Family(output_follows_bias=False),
    "SmolLM3ForCausalLM": Family(tied=True),
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
    "VaultGemmaForCausalLM": Family(tied=True, windows="alternate"),
}
"""By the architecture that ``config.json`` names."""
