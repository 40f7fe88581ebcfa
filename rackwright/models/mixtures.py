"""Families of mixtures of experts, in vLLM 0.32."""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.family import Family

EXAONE_MOE = Family(
    qk_norm="head",
    experts="num_experts",
    shared_count="num_shared_experts",
    dense_first="first_k_dense_replace",
    score_bias=True,
    windows="pattern",
    pattern=4,
)
BAILING = Family(
    qk_norm="head",
    qk_norm_key="use_qk_norm",
    experts="num_experts",
    dense_first="first_k_dense_replace",
    score_bias=True,
)
DEEPSEEK = Family(
    latent=True,
    experts="n_routed_experts",
    shared_count="n_shared_experts",
    dense_first="first_k_dense_replace",
    score_bias=True,
)
"""V3, and what others made of it."""
QWEN_NEXT = Family(
    qk_norm="head",
    output_follows_bias=False,
    linear=True,
    gated_query=True,
    section_reach=1,
    experts="num_experts",
    shared_width="shared_expert_intermediate_size",
    shared_gate=True,
)
"""Attention in some layers, gated delta nets in the others, and an expert for every token."""

LONGCAT = Family(
    latent=True,
    experts="n_routed_experts",
    active="moe_topk",
    score_bias=True,
)
HUNYUAN = Family(
    qk_norm="head",
    experts="num_experts",
    shared_count="num_shared_experts",
    dense_first="first_k_dense_replace",
    score_bias=True,
)

MIXTURES: dict[str, Family] = {
    "MixtralForCausalLM": Family(
        experts="num_local_experts", expert_width="intermediate_size", windows="all"
    ),
    "GraniteMoeHybridForCausalLM": Family(
        experts="num_local_experts",
        expert_width="intermediate_size",
        shared_width="shared_intermediate_size",
        experts_beside=True,
    ),
    "K2HorizonForCausalLM": Family(
        qk_norm="all",
        qk_norm_key="query_key_norm",
        experts="num_experts",
        may_be_dense=True,
        shared_count="num_shared_experts",
    ),
    "MiniCPMForCausalLM": Family(
        tied=True,
        reads_attention_bias=False,
        experts="num_experts",
        expert_width="intermediate_size",
        may_be_dense=True,
    ),
    "GraniteMoeSWAForCausalLM": Family(
        experts="num_local_experts",
        expert_width="intermediate_size",
        shared_width="shared_intermediate_size",
        sinks=True,
        windows="from_first",
        pattern=4,
    ),
    "AXK1ForCausalLM": replace(DEEPSEEK, norms=3),
    "AriaTextForCausalLM": Family(
        experts="moe_num_experts",
        active="moe_topk",
        expert_width="intermediate_size",
        shared_count="moe_num_shared_experts",
    ),
    "HYV4ForCausalLM": replace(DEEPSEEK, dense_first="", indexer=True),
    "Moondream3ForCausalLM": Family(
        mlp="plain",
        mlp_bias=True,
        norms=1,
        norm_bias=True,
        head_bias=True,
        qkv_bias=True,
        output_bias=True,
        reads_attention_bias=False,
        experts="num_experts",
        dense_first="first_k_dense_replace",
    ),
    "SarvamMLAForCausalLM": DEEPSEEK,
    "Step3TextForCausalLM": Family(
        experts="moe_num_experts", active="moe_top_k", shared_width="share_expert_dim"
    ),
    "GraniteMoeSharedForCausalLM": Family(
        experts="num_local_experts",
        expert_width="intermediate_size",
        shared_width="shared_intermediate_size",
    ),
    "AfmoeForCausalLM": Family(
        norms=4,
        qk_norm="head",
        gated_query=True,
        experts="num_experts",
        shared_count="num_shared_experts",
        dense_first="num_dense_layers",
        score_bias=True,
        windows="pattern",
        pattern=4,
    ),
    "Cohere2MoeForCausalLM": Family(
        norms=1,
        tied=True,
        experts="num_experts",
        expert_width="intermediate_size",
        mlp_width="prefix_dense_intermediate_size",
        shared_count="num_shared_experts",
        dense_first="first_k_dense_replace",
        windows="pattern",
        pattern=4,
    ),
    "BailingMoeForCausalLM": BAILING,
    "BailingMoeV2ForCausalLM": BAILING,
    "BailingMoeV2_5ForCausalLM": replace(BAILING, latent=True, linear=True),
    "BailingMoeV3ForCausalLM": replace(BAILING, latent=True, linear=True),
    "ExaoneMoEForCausalLM": EXAONE_MOE,
    "ExaoneMoeForCausalLM": EXAONE_MOE,
    "Lfm2MoeForCausalLM": Family(
        qk_norm="head",
        tied=True,
        experts="num_experts",
        dense_first="num_dense_layers",
        score_bias=True,
    ),
    "InklingForCausalLM": Family(
        qk_norm="head",
        experts="n_routed_experts",
        expert_width="intermediate_size",
        windows="pattern",
    ),
    "SolarOpenForCausalLM": Family(
        experts="n_routed_experts",
        shared_count="n_shared_experts",
    ),
    "Step3p5ForCausalLM": Family(
        qk_norm="head",
        experts="moe_num_experts",
        active="moe_top_k",
        shared_width="share_expert_dim",
        score_bias=True,
    ),
    "GraniteMoeForCausalLM": Family(experts="num_local_experts", expert_width="intermediate_size"),
    "HunYuanMoEV1ForCausalLM": Family(
        qk_norm="head",
        experts="num_experts",
        active="moe_topk",
        expert_width="intermediate_size",
        shared_width="intermediate_size",
    ),
    "Ernie4_5_MoeForCausalLM": Family(
        tied=True,
        experts="moe_num_experts",
        active="moe_k",
        shared_count="moe_num_shared_experts",
        dense_first="moe_layer_start_index",
        score_bias=True,
    ),
    "Qwen2MoeForCausalLM": Family(
        qkv_bias=True,
        reads_attention_bias=False,
        output_follows_bias=False,
        experts="num_experts",
        shared_width="shared_expert_intermediate_size",
        shared_gate=True,
    ),
    "Llama4ForCausalLM": Family(
        experts="num_local_experts",
        expert_width="intermediate_size",
        shared_width="intermediate_size",
        mlp_width="intermediate_size_mlp",
        windows="chunks",
    ),
    "PhiMoEForCausalLM": Family(
        norm_bias=True,
        head_bias=True,
        experts="num_local_experts",
        expert_width="intermediate_size",
        windows="all",
    ),
    "Qwen3MoeForCausalLM": Family(qk_norm="head", experts="num_experts"),
    "Qwen3NextForCausalLM": QWEN_NEXT,
    "Qwen4ExpForCausalLM": QWEN_NEXT,
    "Qwen3_5MoeForCausalLM": QWEN_NEXT,
    "DbrxForCausalLM": Family(
        reads_attention_bias=False, experts="moe_num_experts", active="moe_top_k"
    ),
    "OlmoeForCausalLM": Family(
        qk_norm="all", experts="num_experts", expert_width="intermediate_size"
    ),
    "GptOssForCausalLM": Family(
        qkv_bias=True,
        output_bias=True,
        windows="alternate",
        experts="num_local_experts",
        expert_width="intermediate_size",
        router_bias=True,
        expert_bias=True,
        sinks=True,
        padded_experts=True,
    ),
    "DeepseekForCausalLM": Family(
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        dense_first="first_k_dense_replace",
    ),
    "LagunaForCausalLM": Family(
        qk_norm="head",
        experts="num_experts",
        shared_width="shared_expert_intermediate_size",
        score_bias=True,
    ),
    "DeepseekV2ForCausalLM": replace(DEEPSEEK, score_bias=False),
    "DeepseekV3ForCausalLM": DEEPSEEK,
    "MistralLarge3ForCausalLM": replace(DEEPSEEK, score_bias=False),
    "Glm4MoeLiteForCausalLM": DEEPSEEK,
    "DeepseekV32ForCausalLM": replace(DEEPSEEK, indexer=True),
    "DeepseekV4ForCausalLM": Family(
        latent=True,
        scaled_context=True,
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        score_bias=True,
    ),
    "DeepseekV41ForCausalLM": Family(
        latent=True,
        scaled_context=True,
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        score_bias=True,
    ),
    "Dots3NoteForCausalLM": replace(DEEPSEEK, indexer=True),
    "GlmMoeDsaForCausalLM": replace(DEEPSEEK, indexer=True),
    "KimiLinearForCausalLM": Family(
        latent=True,
        linear=True,
        least_width=256,
        experts="num_experts",
        active="num_experts_per_token",
        shared_count="num_shared_experts",
        dense_first="first_k_dense_replace",
        score_bias=True,
    ),
    "Glm5NextForCausalLM": replace(DEEPSEEK, indexer=True, linear=True),
    "MiMoV2FlashForCausalLM": Family(experts="n_routed_experts", score_bias=True),
    "JambaForCausalLM": Family(experts="num_experts", expert_width="intermediate_size"),
    "Ernie4_5_VLMoeForCausalLM": Family(
        tied=True,
        experts="moe_num_experts",
        active="moe_k",
        shared_count="moe_num_shared_experts",
        dense_first="moe_layer_start_index",
        score_bias=True,
    ),
    "LongcatFlashForCausalLM": LONGCAT,
    "LongcatFlashNgramForCausalLM": LONGCAT,
    "PanguProMoEV2ForCausalLM": replace(DEEPSEEK, latent=False),
    "PanguUltraMoEForCausalLM": DEEPSEEK,
    "Param2MoEForCausalLM": replace(HUNYUAN, qk_norm_key="use_qk_norm"),
    "SarvamMoEForCausalLM": replace(
        HUNYUAN,
        qk_norm_key="use_qk_norm",
        experts="n_routed_experts",
        shared_count="n_shared_experts",
    ),
    "HYV3ForCausalLM": HUNYUAN,
    "Glm4MoeForCausalLM": Family(
        output_follows_bias=False,
        qk_norm="head",
        qk_norm_key="use_qk_norm",
        experts="n_routed_experts",
        shared_count="n_shared_experts",
        dense_first="first_k_dense_replace",
        score_bias=True,
    ),
    "MiniMaxM3SparseForCausalLM": Family(
        qk_norm="head",
        experts="num_local_experts",
        expert_width="intermediate_size",
        mlp_width="dense_intermediate_size",
        shared_count="n_shared_experts",
        score_bias=True,
    ),
    "MiniMaxM2ForCausalLM": Family(
        qk_norm="all",
        experts="num_local_experts",
        expert_width="intermediate_size",
        score_bias=True,
    ),
}
"""By the architecture that ``config.json`` names."""
