"""Made-up configs of the families that came later, with their parameters counted by hand."""

from __future__ import annotations

from tests.samples.sizes import (
    ATTENTION,
    BASE,
    DELTA,
    HEADS,
    INDEX,
    INDEXER,
    KV_HEADS,
    LATENT,
    LINEAR,
    MLA,
    MLA_QUERY_RANK,
    MLP,
    ROUTED,
    TIED,
    UNTIED,
    Config,
    D,
    E,
    F,
    H,
    K,
    L,
    M,
    Q,
    S,
    V,
)

# Zamba2: Mamba of one group, 6 heads as wide as twice the hidden state by them is; twice in four
# layers a block of attention that is one and the same, with what adapts it there.
ZAMBA_2: Config = {
    "intermediate_size": F,
    "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
    "n_mamba_heads": 4,
    "mamba_ngroups": 1,
    "mamba_d_state": 12,
    "mamba_d_conv": 3,
    "adapter_rank": 8,
    "use_shared_attention_adapter": True,
    "num_key_value_heads": HEADS,
}
W, PASSED = 2 * H, 2 * H + 2 * 12
ZAMBA_MAMBA = (2 * W + 2 * 12 + 4) * H + PASSED * 3 + PASSED + 3 * 4 + W + W * H + H
ZAMBA_BLOCK = 3 * W * W + W * H + 3 * F * H + W + H
ZAMBA_OWN = H * H + 3 * 2 * 8 * W + 8 * H + 2 * F * 8

# DeepSeek V4.1: the second layer keeps for those after it two tokens as one and chooses among them,
# and looks up n-grams; the third chooses for itself; the last keeps and chooses, each token.
V41: Config = {
    **LATENT,
    "n_routed_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
    "n_shared_experts": 1,
    "q_lora_rank": 28,
    "num_key_value_heads": 1,
    "compress_ratios": [0, 2, 2, 1],
    "kv_source_layer_ids": [1, 3],
    "index_source_layer_ids": [1, 2, 3],
    "hc_mult": 2,
    "index_head_dim": 128,
    "index_n_heads": 3,
    "o_groups": 2,
    "o_lora_rank": 10,
    "sliding_window": 32,
    "engram_layer_ids": [1],
    "engram_num_embeddings": [500],
    "engram_max_ngram_size": 4,
    "engram_n_heads": 2,
    "engram_head_dim": 32,
}
V41_OWN = 28 * H + D * H + 28 + D + Q * 28 + 2 * 10 * (Q // 2) + H * 2 * 10 + HEADS
V41_MIXED = 2 * (4 * 2 * (2 * H) + 4 * 2 + 3) + 2 * H
V41_ROUTED = E * H + E + 3 * E * M * H + 3 * M * H
V41_CHOOSES = 3 * 128 * 28 + 3 * H
V41_KEYS = 128 * D + 128
V41_NGRAMS = 500 * 32 + 3 * H * (3 * 2 * 32) + 2 * 2 * H

SIX: Config = {"num_experts": E, "num_experts_per_tok": 2, "moe_intermediate_size": M}
SINKS = HEADS
ONE_KEY: Config = {"num_key_value_heads": HEADS}
# Ling 2.5: three layers of linear attention to a latent one, the first of them dense; 3: the same
# with delta attention, whose heads are of width D.
LING: Config = {
    **SIX,
    **LATENT,
    "num_shared_experts": 1,
    "first_k_dense_replace": 1,
    "layer_group_size": 4,
    "q_lora_rank": None,
    "group_norm_size": 2,
    "use_qk_norm": True,
}
LINEAR_OWN = 3 * Q * H + Q * H + H * Q + Q + 2 * D
LING_3: Config = {
    **LING,
    "no_kda_lora": True,
    "gated_attention_proj_granularity_type": "head_wise",
    "short_conv_kernel_size": 3,
}
DELTA_OWN = 5 * Q * H + HEADS * H + 3 * Q * 3 + HEADS + Q + D + H * Q
CHAT_GLM: Config = {
    "vocab_size": ...,
    "num_hidden_layers": ...,
    "intermediate_size": ...,
    "max_position_embeddings": ...,
    "head_dim": ...,
    "num_key_value_heads": ...,
    "padded_vocab_size": V,
    "num_layers": L,
    "ffn_hidden_size": F,
    "seq_length": 512,
    "multi_query_attention": True,
    "multi_query_group_num": 2,
    "add_qkv_bias": True,
}
GLM_HEAD = H // HEADS
GLM_KEYS = 2 * GLM_HEAD
MOON: Config = {
    **dict.fromkeys(BASE, ...),
    "config": {
        "text": {
            "dim": H,
            "ff_dim": F,
            "n_layers": L,
            "vocab_size": V,
            "n_heads": HEADS,
            "n_kv_heads": HEADS,
            "moe": {
                "start_layer": 1,
                "n_experts": E,
                "n_experts_per_tok": 2,
                "expert_inner_dim": M,
            },
        }
    },
}
NOTE: Config = {
    **LATENT,
    **INDEX,
    "index_topk": 16,
    "q_lora_rank": 28,
    "attention_gate_type": "headwise",
    "swa_num_attention_heads": 2,
    "swa_qk_nope_head_dim": 16,
    "swa_qk_rope_head_dim": 8,
    "swa_v_head_dim": 10,
    "swa_q_lora_rank": 18,
    "swa_kv_lora_rank": 30,
    "swa_attention_gate_type": "elementwise",
    "sliding_window_size": 32,
    "layer_types": ["full_attention", "full_attention", *["sliding_attention"] * 2],
    "n_routed_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
    "n_shared_experts": 1,
    "first_k_dense_replace": 1,
}
NOTE_OWN = MLA + MLA_QUERY_RANK + 8 + HEADS * H + INDEXER
NOTE_NEAR = 18 * H + 18 + 2 * (16 + 8) * 18 + (30 + 8) * H + 30 + 2 * (16 + 10) * 30
NOTE_NEAR += H * 2 * 10 + 8 + 2 * 10 * H
LONGCAT: Config = {
    **LATENT,
    "num_hidden_layers": 2 * L,
    "num_layers": L,
    "ffn_hidden_size": F,
    "intermediate_size": None,
    "expert_ffn_hidden_size": M,
    "n_routed_experts": E,
    "moe_topk": 2,
    "zero_expert_num": 2,
    "q_lora_rank": 28,
}
# Attention with its biases, one norm that also shifts, scales of heads by what they see.
MOLMO = KV_HEADS * (H // HEADS)
NARROW = 2 * H * H + 2 * MOLMO * H
MOON_OWN = 4 * H * H + 4 * H + 2 * H + HEADS * (6 * H + 1)
HY: Config = {
    **LATENT,
    **INDEX,
    "n_routed_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
    "n_shared_experts": 1,
    "q_lora_rank": 28,
    "hc_mult": 2,
    "layer_types": ["full_attention", *["deepseek_sparse_attention"] * 3],
    "indexer_types": ["full", "full", "shared", "shared"],
}
# Gate and sinks; what mixes two streams twice a layer.
HY_OWN = MLA + MLA_QUERY_RANK + HEADS * 10 * H + HEADS + 2 * H + 2 * (4 * 2 * H + 4 + 2)

MORE: list[tuple[str, Config, int]] = [
    (
        "Zamba2ForCausalLM",
        ZAMBA_2,
        V * H + H + L * ZAMBA_MAMBA + ZAMBA_BLOCK + 2 * ZAMBA_OWN,
    ),
    (
        "DeepseekV41ForCausalLM",
        V41,
        UNTIED
        + L * (V41_OWN + V41_MIXED + V41_ROUTED)
        + 3 * V41_CHOOSES
        + 2 * V41_KEYS
        + (2 * D * H + D)
        + (D * H + D)
        + V41_NGRAMS,
    ),
    (
        "Jais2ForCausalLM",
        {"attention_bias": True, "mlp_bias": True},
        UNTIED + H + L * (ATTENTION + Q + 2 * K + H + 2 * F * H + F + H + 4 * H),
    ),
    ("CwmForCausalLM", {"sliding_window": 64}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    ("VaultGemmaForCausalLM", {"sliding_window": 64}, TIED + L * (ATTENTION + MLP + 2 * H)),
    (
        "FlexOlmoForCausalLM",
        {"num_experts": E, "num_experts_per_tok": 2, "intermediate_size": M},
        UNTIED + L * (ATTENTION + Q + K + ROUTED + 2 * H),
    ),
    (
        "MellumForCausalLM",
        {**SIX, "sliding_window": 64, "layer_types": ["sliding_attention"] * L},
        UNTIED + L * (ATTENTION + 2 * D + ROUTED + 2 * H),
    ),
    (
        "ChatGLMModel",
        CHAT_GLM,
        UNTIED + L * (2 * H * H + 2 * GLM_KEYS * H + H + 2 * GLM_KEYS + MLP + 2 * H),
    ),
    (
        "GraniteSWAForCausalLM",
        {"sliding_window": 64},
        TIED + L * (ATTENTION + SINKS + MLP + 2 * H),
    ),
    (
        "GraniteMoeSWAForCausalLM",
        {
            "num_local_experts": E,
            "num_experts_per_tok": 2,
            "intermediate_size": M,
            "shared_intermediate_size": S,
            "sliding_window": 64,
        },
        UNTIED + L * (ATTENTION + SINKS + ROUTED + 3 * S * H + 2 * H),
    ),
    (  # two attentions, two MLPs and four norms; of 8 rows of the router two do nothing
        "LongcatFlashForCausalLM",
        LONGCAT,
        UNTIED
        + L * (2 * (MLA + MLA_QUERY_RANK) + 2 * MLP + 4 * H + (E + 2) * (H + 1) + E * 3 * M * H),
    ),
    (  # the width is of both halves of its MLP, its head's size what heads make of the hidden one
        "MolmoForCausalLM",
        {
            "intermediate_size": 2 * F,
            "embedding_size": V + 3,
            "qkv_bias": True,
            "attention_layer_norm": True,
            "weight_tying": False,
            "tie_word_embeddings": True,
        },
        UNTIED
        + 6 * H
        + 128 * H
        + L * (2 * H * H + 2 * MOLMO * H + (H + 2 * MOLMO) + (H + MOLMO) + MLP + 2 * H),
    ),
    ("OrionForCausalLM", {}, UNTIED + H + L * (ATTENTION + MLP + 4 * H)),
    (
        "PanguEmbeddedForCausalLM",
        {"bias": True},
        UNTIED + L * (ATTENTION + Q + 2 * K + H + MLP + 2 * H),
    ),
    (
        "PanguEmbeddedForCausalLM",
        {"bias": True, "qkv_bias": False},
        UNTIED + L * (ATTENTION + H + MLP + 2 * H),
    ),
    ("Plamo3ForCausalLM", {"sliding_window": 8}, TIED + L * (ATTENTION + 2 * D + MLP + 4 * H)),
    ("Rnj1ForCausalLM", {"sliding_window": 8}, TIED + L * (ATTENTION + 2 * D + MLP + 4 * H)),
    *(
        (
            "PanguUltraMoEForCausalLM",
            {
                **LATENT,
                "n_routed_experts": E,
                "num_experts_per_tok": 2,
                "moe_intermediate_size": M,
                "n_shared_experts": 1,
                "first_k_dense_replace": 1,
                "sandwich_norm": True,
                "router_enable_expert_bias": biased,
            },
            UNTIED + L * (MLA + 4 * H) + MLP + (L - 1) * (ROUTED + 3 * M * H + E * biased),
        )
        for biased in (True, False)
    ),
    *(
        (
            "Param2MoEForCausalLM",
            {
                "num_experts": E,
                "num_experts_per_tok": 2,
                "moe_intermediate_size": M,
                "use_qk_norm": True,
                **more,
            },
            UNTIED + L * (ATTENTION + 2 * D + 2 * H) + MLP + (L - 1) * (ROUTED + 3 * wide * H + E),
        )
        for more, wide in (
            ({}, M),
            ({"num_shared_experts": 2}, 2 * M),
            ({"num_shared_experts": 2, "moe_shared_expert_intermediate_size": S}, S),
        )
    ),
    (
        "Molmo2ForConditionalGeneration",
        {"qkv_bias": True, "additional_vocab_size": 7},
        UNTIED + 7 * H + L * (ATTENTION + Q + 2 * K + 2 * D + MLP + 2 * H),
    ),
    (  # two stacks of two layers; six passes more of each keep keys and have no weights
        "HrmTextForCausalLM",
        {"num_layers_per_stack": 2, "num_hidden_layers": 16},
        2 * V * H + H + 4 * (5 * Q * H + MLP),
    ),
    (
        "OlmoHybridForCausalLM",
        {**LINEAR, "layer_types": [*["linear_attention"] * 3, "full_attention"]},
        UNTIED + 3 * DELTA + ATTENTION + Q + K + L * (MLP + 2 * H),
    ),
    (  # the first layer is dense; the others choose also their values, among three products
        "K2HorizonForCausalLM",
        {
            **SIX,
            "mlp_only_layers": [0],
            "num_shared_experts": 1,
            "mova_num_experts": 3,
            "moe_gate_bias": True,
            "attention_gate_func": "sigmoid",
            "query_key_norm": True,
        },
        UNTIED
        + L * (ATTENTION + Q * H + Q + K + 2 * H)
        + MLP
        + 3 * (2 * K * H + 3 * H + 3 + ROUTED + E + 3 * M * H),
    ),
    ("MiniCPMForCausalLM", {}, TIED + L * (ATTENTION + MLP + 2 * H)),
    (
        "AXK1ForCausalLM",
        {
            **LATENT,
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "q_lora_rank": 28,
        },
        UNTIED + L * (MLA + MLA_QUERY_RANK + 3 * H) + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    (
        "SarvamMLAForCausalLM",
        {
            **LATENT,
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
        },
        UNTIED + L * (MLA + 2 * H) + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    (
        "AriaTextForCausalLM",
        {
            "moe_num_experts": E,
            "moe_topk": 2,
            "intermediate_size": M,
            "moe_num_shared_experts": 2,
        },
        UNTIED + L * (ATTENTION + ROUTED + 3 * 2 * M * H + 2 * H),
    ),
    (
        "HYV4ForCausalLM",
        HY,
        UNTIED + 2 * 2 * H + 2 + 1 + L * HY_OWN + INDEXER + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    (
        "Moondream3ForCausalLM",
        MOON,
        UNTIED + H + V + L * MOON_OWN + (2 * F * H + F + H) + 3 * (E * H + E + E * 3 * M * H),
    ),
    (  # queries from a product of 20 shared with nothing; layers 1 and 3 have experts
        "Step3TextForCausalLM",
        {
            **ONE_KEY,
            "share_q_dim": 20,
            "moe_num_experts": E,
            "moe_top_k": 2,
            "moe_intermediate_size": M,
            "share_expert_dim": S,
            "moe_layers_enum": "1,3",
        },
        UNTIED
        + L * ((20 + 2 * D) * H + 20 + Q * 20 + H * Q + 2 * H)
        + 2 * MLP
        + 2 * (ROUTED + 3 * S * H),
    ),
    (
        "BailingMoeV2_5ForCausalLM",
        LING,
        UNTIED + 3 * LINEAR_OWN + MLA + L * 2 * H + MLP + 3 * (ROUTED + 3 * M * H),
    ),
    (
        "BailingMoeV3ForCausalLM",
        LING_3,
        UNTIED + 3 * DELTA_OWN + MLA + HEADS * H + L * 2 * H + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    (  # three learned tokens; keys of 12 + 8 figures, values of 10
        "PanguProMoEV2ForCausalLM",
        {
            "param_sink_number": 3,
            "param_sink_with_value": True,
            **{"qk_nope_dim": 12, "qk_rope_dim": 8, "v_channels": 10},
            **{"qkv_bias": True, "sandwich_norm": True, "router_enable_expert_bias": True},
            **{"n_routed_experts": E, "num_experts_per_tok": 2, "moe_intermediate_size": M},
            **{"n_shared_experts": 2, "first_k_dense_replace": 1},
        },
        UNTIED
        + L * (HEADS * (20 + 10) * H + KV_HEADS * (20 + 10) * (H + 3) + 20 + 4 * H)
        + L * (HEADS * 20 + KV_HEADS * (20 + 10))
        + MLP
        + 3 * (ROUTED + E + 3 * 2 * M * H),
    ),
    (  # the first layer dense; two that choose tokens, two of a window with figures of their own
        "Dots3NoteForCausalLM",
        NOTE,
        UNTIED + 2 * NOTE_OWN + 2 * NOTE_NEAR + L * 2 * H + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    ("NanbeigeForCausalLM", {"num_loops": 2}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    (  # heads as wide as they make the hidden state, each with what weighs two looks back
        "IQuestLoopCoderForCausalLM",
        {"loop_window_size": 16, "mlp_bias": True},
        UNTIED + L * (NARROW + (H + HEADS) + MLP + 2 * H),
    ),
    (  # two splits of pairs and two of triples: tables of 301, 303, 305 and 307 rows
        "LongcatFlashNgramForCausalLM",
        {
            **LONGCAT,
            "zero_expert_num": None,
            "ngram_vocab_size_ratio": 3,
            "emb_neighbor_num": 3,
            "emb_split_num": 2,
        },
        UNTIED
        + (301 + 303 + 305 + 307) * H // 4
        + H * H
        + L * (2 * (MLA + MLA_QUERY_RANK) + 2 * MLP + 4 * H + E * (H + 1) + E * 3 * M * H),
    ),
    (
        "DbrxForCausalLM",
        {
            **dict.fromkeys(("hidden_size", "num_attention_heads", "num_hidden_layers"), ...),
            **{"d_model": H, "n_heads": HEADS, "n_layers": L},
            "attn_config": {"kv_n_heads": KV_HEADS},
            "ffn_config": {"moe_num_experts": E, "moe_top_k": 2, "ffn_hidden_size": M},
        },
        UNTIED + L * (NARROW + ROUTED + 2 * H),
    ),
    (
        "Step1ForCausalLM",
        {"num_attention_groups": KV_HEADS, "num_key_value_heads": HEADS},
        TIED + L * (NARROW + MLP + 2 * H),
    ),
    (
        "TeleChat2ForCausalLM",
        {
            **dict.fromkeys(("num_hidden_layers", "num_attention_heads"), ...),
            **{"n_layer": L, "n_head": HEADS, "ffn_hidden_size": F, "intermediate_size": None},
        },
        UNTIED + L * (ATTENTION + H + MLP + H + 2 * H),
    ),
]
