"""Made-up configs of the families that came later, with their parameters counted by hand."""

from __future__ import annotations

from tests.samples.sizes import HEADS, LATENT, UNTIED, Config, D, E, F, H, L, M, Q, V

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
]
