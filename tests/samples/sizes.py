"""Sizes of the made-up configs, and elements of parts that many families have."""

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
INDEX: Config = {"index_n_heads": 3, "index_head_dim": 128}
# Of the indexer: queries, keys with the heads' weights, and a norm that also shifts.
INDEXER = 3 * 128 * 28 + (128 + 3) * H + 2 * 128
ROUTED = E * H + E * 3 * M * H
# Gated delta net: what goes in, its gates, the convolution, decay and its bias, norm, output.
DELTA = (2 * KEYS + 2 * VALUES) * H + 2 * 6 * H + (2 * KEYS + VALUES) * 3 + 6 + 6 + 14 + H * VALUES
