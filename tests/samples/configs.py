"""Small made-up ``config.json`` of every family, with their parameters counted by hand."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

# Sizes of every config here: heads x head_dim is not hidden_size, so that neither stands for the
# other by chance; expert widths are not the dense one.
V, H, F, L = 100, 64, 96, 4
HEADS, KV_HEADS, D = 4, 2, 24
Q, K = HEADS * D, KV_HEADS * D
E, M, S = 6, 40, 56  # experts, width of each, width of a shared one
BASE: Config = {
    "vocab_size": V,
    "hidden_size": H,
    "intermediate_size": F,
    "num_hidden_layers": L,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KV_HEADS,
    "head_dim": D,
    "max_position_embeddings": 512,
}
LATENT: Config = {
    "kv_lora_rank": 20,
    "qk_nope_head_dim": 12,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
}

LINEAR: Config = {
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 10,
    "linear_num_value_heads": 6,
    "linear_value_head_dim": 14,
    "linear_conv_kernel_dim": 3,
}
KEYS, VALUES = 2 * 10, 6 * 14

ATTENTION = Q * H + 2 * K * H + H * Q
MLP = 3 * F * H
UNTIED = V * H + H + V * H
TIED = V * H + H
# MLA without a query rank: queries, down-projection with its norm, up-projection, output.
MLA = HEADS * (12 + 8) * H + (20 + 8) * H + 20 + HEADS * (12 + 10) * 20 + H * HEADS * 10
MLA_QUERY_RANK = 28 * H + 28 + HEADS * (12 + 8) * 28 - HEADS * (12 + 8) * H
ROUTED = E * H + E * 3 * M * H
# Gated delta net: what goes in, its gates, the convolution, decay and its bias, norm, output.
DELTA = (2 * KEYS + 2 * VALUES) * H + 2 * 6 * H + (2 * KEYS + VALUES) * 3 + 6 + 6 + 14 + H * VALUES
GATED = ATTENTION + Q * H + 2 * D  # queries beside their gates, and norms of both
SHARED = 3 * S * H + H

COUNTED: list[tuple[str, Config, int]] = [
    ("LlamaForCausalLM", {}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    (
        "LlamaForCausalLM",
        {"attention_bias": True, "mlp_bias": True},
        UNTIED + L * (ATTENTION + MLP + 2 * H + (Q + 2 * K + H) + (2 * F + H)),
    ),
    ("LlamaForCausalLM", {"tie_word_embeddings": True}, TIED + L * (ATTENTION + MLP + 2 * H)),
    (  # no head_dim and no KV heads: hidden size by heads, and as many KV heads as heads
        "LlamaForCausalLM",
        {"head_dim": None, "num_key_value_heads": None},
        UNTIED + L * (4 * H * H + MLP + 2 * H),
    ),
    ("MistralForCausalLM", {"sliding_window": 128}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    (  # its biases are always there, whatever attention_bias says
        "Qwen2ForCausalLM",
        {"attention_bias": False},
        UNTIED + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H),
    ),
    ("Qwen3ForCausalLM", {}, UNTIED + L * (ATTENTION + 2 * D + MLP + 2 * H)),
    ("Phi3ForCausalLM", {}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    ("GraniteForCausalLM", {"tie_word_embeddings": True}, TIED + L * (ATTENTION + MLP + 2 * H)),
    ("Olmo2ForCausalLM", {}, UNTIED + L * (ATTENTION + Q + K + MLP + 2 * H)),
    ("Olmo3ForCausalLM", {"sliding_window": 64}, UNTIED + L * (ATTENTION + Q + K + MLP + 2 * H)),
    ("Gemma2ForCausalLM", {"sliding_window": 64}, TIED + L * (ATTENTION + MLP + 4 * H)),
    ("Gemma3ForCausalLM", {"sliding_window": 64}, TIED + L * (ATTENTION + 2 * D + MLP + 4 * H)),
    (
        "Gemma3ForCausalLM",
        {"tie_word_embeddings": False},
        UNTIED + L * (ATTENTION + 2 * D + MLP + 4 * H),
    ),
    (
        "Glm4ForCausalLM",
        {"attention_bias": True},
        UNTIED + L * (ATTENTION + (Q + 2 * K) + MLP + 4 * H),
    ),
    ("CohereForCausalLM", {}, TIED + L * (ATTENTION + MLP + H)),
    ("CohereForCausalLM", {"use_qk_norm": True}, TIED + L * (ATTENTION + Q + K + MLP + H)),
    (
        "SeedOssForCausalLM",
        {"attention_bias": True},
        UNTIED + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H),
    ),
    (
        "MixtralForCausalLM",
        {"num_local_experts": E, "num_experts_per_tok": 2, "intermediate_size": M},
        UNTIED + L * (ATTENTION + ROUTED + 2 * H),
    ),
    (
        "Qwen2MoeForCausalLM",
        {
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "shared_expert_intermediate_size": S,
        },
        UNTIED + L * (ATTENTION + (Q + 2 * K) + ROUTED + SHARED + 2 * H),
    ),
    (  # three layers of linear attention to one that sees everything
        "Qwen3NextForCausalLM",
        {
            **LINEAR,
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "shared_expert_intermediate_size": S,
        },
        UNTIED + 3 * DELTA + GATED + L * (ROUTED + SHARED + 2 * H),
    ),
    (
        "Qwen3_5ForCausalLM",
        {**LINEAR, "full_attention_interval": 2},
        UNTIED + 2 * DELTA + 2 * GATED + L * (MLP + 2 * H),
    ),
    (
        "Qwen3_5MoeForCausalLM",
        {
            **LINEAR,
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "shared_expert_intermediate_size": S,
            "intermediate_size": None,
            "layer_types": ["full_attention", *["linear_attention"] * 3],
        },
        UNTIED + 3 * DELTA + GATED + L * (ROUTED + SHARED + 2 * H),
    ),
    (  # every second layer has experts, one of those is dense by name
        "Qwen3MoeForCausalLM",
        {
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "decoder_sparse_step": 2,
            "mlp_only_layers": [1],
        },
        UNTIED + L * (ATTENTION + 2 * D + 2 * H) + ROUTED + 3 * MLP,
    ),
    (
        "OlmoeForCausalLM",
        {"num_experts": E, "num_experts_per_tok": 2, "intermediate_size": M},
        UNTIED + L * (ATTENTION + Q + K + ROUTED + 2 * H),
    ),
    (
        "GptOssForCausalLM",
        {
            "num_local_experts": E,
            "num_experts_per_tok": 2,
            "intermediate_size": M,
            "sliding_window": 32,
        },
        UNTIED + L * (ATTENTION + (Q + 2 * K + H) + HEADS + ROUTED + E + E * (2 * M + H) + 2 * H),
    ),
    (
        "DeepseekV2ForCausalLM",
        {
            **LATENT,
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "n_shared_experts": 2,
            "first_k_dense_replace": 1,
            "q_lora_rank": None,
        },
        UNTIED + L * (MLA + 2 * H) + MLP + (L - 1) * (ROUTED + 3 * 2 * M * H),
    ),
    (
        "DeepseekV3ForCausalLM",
        {
            **LATENT,
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "n_shared_experts": 1,
            "first_k_dense_replace": 3,
            "q_lora_rank": 28,
        },
        UNTIED + L * (MLA + MLA_QUERY_RANK + 2 * H) + 3 * MLP + ROUTED + E + 3 * M * H,
    ),
    (
        "Glm4MoeForCausalLM",
        {
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "n_shared_experts": 1,
            "first_k_dense_replace": 1,
            "attention_bias": True,
            "use_qk_norm": True,
        },
        UNTIED
        + L * (ATTENTION + (Q + 2 * K) + 2 * D + 2 * H)
        + MLP
        + (L - 1) * (ROUTED + E + 3 * M * H),
    ),
    (
        "MiniMaxM2ForCausalLM",
        {"num_local_experts": E, "num_experts_per_tok": 2, "intermediate_size": M},
        UNTIED + L * (ATTENTION + Q + K + ROUTED + E + 2 * H),
    ),
]


def config(architecture: str = "LlamaForCausalLM", **more: Any) -> Config:
    """A whole small config. ``...`` leaves a key out."""
    given = BASE | {"architectures": [architecture]} | more
    return {key: value for key, value in given.items() if value is not ...}


def usual(architecture: str) -> Config:
    """The config of the first case of a family."""
    return config(architecture, **next(more for name, more, _ in COUNTED if name == architecture))
