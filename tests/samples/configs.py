"""Small made-up ``config.json`` of every family, with their parameters counted by hand."""

from __future__ import annotations

from typing import Any

from tests.samples.late_configs import LATE
from tests.samples.more_configs import MORE
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

SPARSE: Config = {
    "n_routed_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
    "n_shared_experts": 1,
    "q_lora_rank": 28,
}
INKLING: Config = {
    "dense_intermediate_size": F,
    "intermediate_size": M,
    "n_routed_experts": E,
    "num_experts_per_tok": 2,
    "n_shared_experts": 2,
    "dense_mlp_idx": 1,
    "local_layer_ids": [0, 1, 2],
    "swa_num_attention_heads": 6,
    "sliding_window_size": 5,
    "rel_extent": 7,
    "d_rel": 3,
    "use_embed_norm": True,
    "use_gate_bias": True,
    "use_global_scale": True,
}
STATES: Config = {
    "state_size": 16,
    "conv_kernel": 3,
    "num_attention_heads": ...,
    "num_key_value_heads": ...,
    "max_position_embeddings": ...,
}
QWEN4_EXP: Config = {
    **LINEAR,
    "num_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
    "shared_expert_intermediate_size": S,
    "layer_types": ["linear_attention"] * 3 + ["full_attention"],
    "hc_count": 4,
    "hc_lowrank": 5,
    "indexer_n_heads": 3,
    "indexer_head_dim": 8,
    "indexer_compress_ratio": 4,
    "ple_layer_ids": [2],
    "ple_embed_dim": 32,
    "ple_conv_kernel_size": 2,
    "ngram_size": 3,
    "heads_per_ngram": 2,
    "ngram_vocab_size_base": 5,
    "make_ngram_vocab_size_divisible_by": 16,
}
BAILING: Config = {
    "num_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
    "num_shared_experts": 2,
    "first_k_dense_replace": 1,
    "use_qk_norm": True,
    "moe_router_enable_expert_bias": True,
}
M3: Config = {
    "dense_intermediate_size": F,
    "intermediate_size": M,
    "moe_layer_freq": [0, 1, 1, 1],
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "num_local_experts": E,
    "rotary_dim": 12,
    "sparse_attention_config": {
        "sparse_attention_freq": [0, 1, 1, 1],
        "sparse_index_dim": 16,
        "sparse_num_index_heads": KV_HEADS,
    },
    "use_routing_bias": True,
}
V4: Config = {
    **SPARSE,
    "model_type": "deepseek_v4",
    "compress_ratios": [0, 4, 128, 4, 0],
    "hc_mult": 2,
    "index_head_dim": 128,
    "index_n_heads": 3,
    "num_hash_layers": 1,
    "num_key_value_heads": 1,
    "o_groups": 2,
    "o_lora_rank": 10,
    "qk_rope_head_dim": 8,
    "sliding_window": 32,
}
"""The last ratio is of a layer for drafts."""
WHISPER: Config = {
    **dict.fromkeys(BASE),
    "vocab_size": V,
    "d_model": H,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 8,
    "encoder_ffn_dim": F,
    "decoder_ffn_dim": F + 8,
    "num_mel_bins": 10,
    "max_source_positions": 30,
    "max_target_positions": 20,
}
LOOK = 4 * H * H + 3 * H + 2 * H  # four products, three biases, a norm that also shifts
# Words, both convolutions, positions of sound and text, two last norms; layers that listen, and
# those that write, with two attentions each.
HEARING = (
    (V * H + 3 * 10 * H + H + 3 * H * H + H + 30 * H + 20 * H + 4 * H)
    + 2 * (LOOK + 2 * F * H + F + 3 * H)
    + 3 * (2 * LOOK + 2 * (F + 8) * H + F + 8 + 3 * H)
)
W = 2 * H
# Mamba 1, twice as wide as the model: what goes in, the convolution with its bias, what decides
# steps (of rank 4) and states, its steps, decay, a figure each, three norms, the output.
MAMBA_1 = (
    (2 * W * H + W * 3 + W) + (4 + 2 * 5) * W + (W * 4 + W) + (W * 5 + W) + (4 + 2 * 5) + W * H
)
NOTHING: Config = {"no_op": True}
BLOCKS: list[Config] = [
    {"attention": {"n_heads_in_group": 2}, "ffn": {"ffn_mult": 1.0}},
    {"attention": NOTHING, "ffn": {"ffn_mult": 7}},
    {"attention": {"n_heads_in_group": 4}, "ffn": NOTHING},
    {"attention": NOTHING, "ffn": NOTHING},
]
GRANITE_H: Config = {
    "layer_types": ["mamba"] * 3 + ["attention"],
    "mamba_n_heads": 6,
    "mamba_d_head": 10,
    "mamba_n_groups": 1,
    "mamba_d_state": 12,
    "mamba_d_conv": 3,
    "shared_intermediate_size": S,
}
ONE = 6 * 10 + 2 * 12  # as MIXED, of a single group
ONE_GROUP = (6 * 10 + ONE + 6) * H + ONE * 3 + ONE + 3 * 6 + 6 * 10 + 6 * 10 * H
# Delta attention of 3 heads of 10: what goes in and the convolution, two gates in two steps, how
# much is learned, three figures, norm and output.
KDA = 3 * 30 * H + 3 * 30 * 4 + 2 * (10 * H + 30 * 10) + 3 * H + 3 + 30 + 10 + 30 * H
BERT: Config = {"type_vocab_size": 2}
WORDS = V * H + 512 * H + 2 * H + 2 * H  # words, positions, types, and a norm that also shifts
BIASED = ATTENTION + Q + 2 * K + H + 2 * F * H + F + H + 4 * H
POOLER = H * H + H
MAMBA: Config = {
    "mamba_num_heads": 6,
    "mamba_head_dim": 10,
    "n_groups": 2,
    "ssm_state_size": 12,
    "conv_kernel": 3,
}
MIXED = 6 * 10 + 2 * 2 * 12  # what the convolution passes: all heads, and two states a group
# What goes in, the convolution with its bias, three figures a head, a norm, the output.
MAMBA_2 = (6 * 10 + MIXED + 6) * H + MIXED * 3 + MIXED + 3 * 6 + 6 * 10 + 6 * 10 * H
GATED = ATTENTION + Q * H + 2 * D  # queries beside their gates, and norms of both
SHARED = 3 * S * H + H
WIDE = 2 * (Q * 2 * H) + 2 * D * H + 2 * 2 * D  # queries, output, one head of keys, both norms

OF_EXPERTS: Config = {
    "num_experts": E,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": M,
}

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
    (  # its heads are wider where it sees everything, where keys are values too
        "Gemma4ForCausalLM",
        {
            "layer_types": ["sliding_attention"] * 3 + ["full_attention"],
            "sliding_window": 64,
            "global_head_dim": 2 * D,
            "num_global_key_value_heads": 1,
            "attention_k_eq_v": True,
        },
        TIED + 3 * (ATTENTION + 2 * D) + WIDE + L * (MLP + 4 * H + 1),
    ),
    (  # a table of every layer's own beside the other; the last layer reads keys of an earlier one
        "Gemma4ForCausalLM",
        {
            "sliding_window": 64,
            "hidden_size_per_layer_input": 5,
            "vocab_size_per_layer_input": 90,
            "num_kv_shared_layers": 1,
            "use_double_wide_mlp": True,
        },
        TIED
        + (90 + H) * 5 * L
        + 5
        + L * (ATTENTION + 2 * D + MLP + 4 * H + 1 + 2 * 5 * H + H)
        - (2 * K * H + D)
        + MLP,
    ),
    (  # experts beside the MLP
        "Gemma4ForCausalLM",
        {
            "sliding_window": 64,
            "num_experts": E,
            "top_k_experts": 2,
            "moe_intermediate_size": M,
        },
        TIED + L * (ATTENTION + 2 * D + MLP + ROUTED + H + E + 7 * H + 1),
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
    *(
        (name, {}, UNTIED + L * (ATTENTION + MLP + 2 * H))
        for name in ("InternLM3ForCausalLM", "ExaoneForCausalLM", "Ministral3ForCausalLM")
    ),
    *(
        (name, {}, TIED + L * (ATTENTION + MLP + 2 * H))
        for name in ("SmolLM3ForCausalLM", "GemmaForCausalLM", "Ernie4_5ForCausalLM")
    ),
    ("BertModel", BERT, WORDS + L * BIASED + POOLER),
    ("BertForSequenceClassification", BERT, WORDS + L * BIASED + POOLER + 2 * H + 2),
    (
        "BertForSequenceClassification",
        {**BERT, "id2label": {"0": "LABEL_0"}},
        WORDS + L * BIASED + POOLER + H + 1,
    ),
    *((name, BERT, WORDS + L * BIASED + POOLER) for name in ("RobertaModel", "XLMRobertaModel")),
    *(
        (name, {**BERT, "num_labels": 3}, WORDS + L * BIASED + POOLER + 3 * H + 3)
        for name in ("RobertaForSequenceClassification", "XLMRobertaForSequenceClassification")
    ),
    ("BertForMaskedLM", BERT, WORDS + L * BIASED + H * H + H + 2 * H + V),
    ("BertSpladeSparseEmbeddingModel", BERT, WORDS + L * BIASED + H * H + H + 2 * H + V),
    ("RobertaForMaskedLM", BERT, WORDS + L * BIASED + H * H + H + 2 * H + V),
    (
        "BgeM3EmbeddingModel",
        BERT,
        WORDS + L * BIASED + (H * H + H) + (H + 1) + (H * H + H),
    ),
    ("BertForTokenClassification", BERT, WORDS + L * BIASED + 2 * H + 2),
    *(
        (name, {**BERT, "num_labels": 3}, WORDS + L * BIASED + 3 * H + 3)
        for name in ("RobertaForTokenClassification", "XLMRobertaForTokenClassification")
    ),
    *(
        (
            f"ModernBertFor{what}Classification",
            {"num_labels": 3},
            V * H + H + L * (ATTENTION + MLP + 2 * H) + H * H + H + 3 * H + 3,
        )
        for what in ("Sequence", "Token")
    ),
    (  # rotations instead of a table, and a gated MLP without biases
        "NomicBertModel",
        {"type_vocab_size": 2},
        V * H + 2 * H + 2 * H + L * (ATTENTION + MLP + 4 * H),
    ),
    ("GPT2LMHeadModel", {}, TIED + H + 512 * H + L * BIASED),
    (  # its own names of the sizes, and an MLP of four times the hidden size
        "GPT2LMHeadModel",
        {
            **dict.fromkeys(BASE),
            "vocab_size": V,
            "n_embd": H,
            "n_layer": 2,
            "n_head": 4,
            "n_positions": 512,
        },
        TIED + H + 512 * H + 2 * (4 * H * H + 4 * H + 2 * 4 * H * H + 4 * H + H + 4 * H),
    ),
    (  # keys of 24, values of 10; with a window twice the heads, and sinks
        "MiMoV2FlashForCausalLM",
        {
            "v_head_dim": 10,
            "hybrid_layer_pattern": [0, 1, 1, 0],
            "moe_layer_freq": [0, 1, 1, 1],
            "sliding_window": 32,
            "swa_num_key_value_heads": 4,
            "swa_head_dim": 12,
            "add_swa_attention_sink_bias": True,
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
        },
        UNTIED
        + 2 * (HEADS * 24 + KV_HEADS * (24 + 10) + HEADS * 10) * H
        + 2 * ((HEADS * 12 + 4 * (12 + 12) + HEADS * 12) * H + HEADS)
        + L * 2 * H
        + MLP
        + 3 * (ROUTED + E),
    ),
    (  # two thirds of 96 rounded up to tens
        "Lfm2ForCausalLM",
        {
            "layer_types": ["conv"] * 3 + ["full_attention"],
            "conv_L_cache": 3,
            "block_multiple_of": 10,
        },
        TIED + 3 * (4 * H * H + 3 * H) + ATTENTION + 2 * D + L * (3 * 70 * H + 2 * H),
    ),
    (  # both in each layer, and no norm of Mamba's own
        "FalconH1ForCausalLM",
        GRANITE_H,
        UNTIED + L * (ONE_GROUP - 6 * 10 + ATTENTION + MLP + 2 * H),
    ),
    (  # attention in the third layer of four; experts, as wide as an MLP, in every second
        "JambaForCausalLM",
        {
            "mamba_expand": 2,
            "mamba_d_state": 5,
            "mamba_d_conv": 3,
            "attn_layer_period": 4,
            "attn_layer_offset": 2,
            "expert_layer_period": 2,
            "expert_layer_offset": 1,
            "num_experts": E,
            "num_experts_per_tok": 2,
        },
        UNTIED + 3 * MAMBA_1 + ATTENTION + L * 2 * H + 2 * MLP + 2 * (E * H + E * 3 * F * H),
    ),
    ("InternLM2ForCausalLM", {}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    (  # one key and value for all heads, of H / HEADS; an MLP of four times H, a norm for both
        "FalconForCausalLM",
        {"ffn_hidden_size": 4 * H},
        TIED + H + L * (2 * H * H + 2 * (H // HEADS) * H + 8 * H * H + 2 * H),
    ),
    (  # groups of heads, a norm each for attention and MLP
        "FalconForCausalLM",
        {"new_decoder_architecture": True, "num_kv_heads": 2, "bias": True},
        TIED
        + H
        + L * (2 * H * H + 4 * (H // HEADS) * H + 8 * H * H + 4 * H)
        + L * (H + 4 * (H // HEADS) + H + 4 * H + H),
    ),
    (  # before it was parallel: norms one after the other; slopes for positions
        "FalconForCausalLM",
        {"multi_query": False, "parallel_attn": False, "alibi": True, "tie_word_embeddings": False},
        UNTIED + H + L * (4 * H * H + 8 * H * H + 4 * H),
    ),
    (
        "MiniCPM3ForCausalLM",
        {**LATENT, "q_lora_rank": 28},
        TIED + L * (MLA + MLA_QUERY_RANK + MLP + 2 * H),
    ),
    ("MuseGlimmerForCausalLM", {}, UNTIED + L * (ATTENTION + Q * H + MLP + 4 * H)),
    ("PhiForCausalLM", {}, UNTIED + H + V + L * (BIASED - 2 * H)),
    ("LlamaForSequenceClassification", {}, TIED + 2 * H + L * (ATTENTION + MLP + 2 * H)),
    (
        "Qwen2ForSequenceClassification",
        {"num_labels": 1},
        TIED + H + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H),
    ),
    (
        "Qwen3ForSequenceClassification",
        {"id2label": {"0": "yes"}},
        TIED + H + L * (ATTENTION + 2 * D + MLP + 2 * H),
    ),
    ("WhisperForConditionalGeneration", WHISPER, HEARING),
    ("GPTNeoXForCausalLM", {}, UNTIED + H + L * BIASED),
    ("OPTForCausalLM", {}, TIED + H + 514 * H + L * BIASED),
    ("MistralModel", {}, TIED + L * (ATTENTION + MLP + 2 * H)),
    (  # widths are two thirds of so many hidden sizes, rounded up to 256; some parts are not there
        "DeciLMForCausalLM",
        {"num_key_value_heads": None, "intermediate_size": None, "block_configs": BLOCKS},
        UNTIED
        + (ATTENTION + 3 * 256 * H + 2 * H)
        + (3 * 512 * H + H)
        + (2 * H * Q + 2 * D * H + H)
        + 0,
    ),
    ("Exaone4ForCausalLM", {}, UNTIED + L * (ATTENTION + 2 * D + MLP + 2 * H)),
    (
        "HunYuanDenseV1ForCausalLM",
        {"use_qk_norm": True},
        UNTIED + L * (ATTENTION + 2 * D + MLP + 2 * H),
    ),
    (
        "MiMoForCausalLM",
        {"attention_bias": True},
        UNTIED + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H),
    ),
    ("OlmoForCausalLM", {}, UNTIED - H + L * (ATTENTION + MLP)),
    (  # a plain MLP whose activation has two figures of its own
        "ApertusForCausalLM",
        {},
        UNTIED + L * (ATTENTION + 2 * D + 2 * F * H + 2 + 2 * H),
    ),
    ("ArceeForCausalLM", {}, UNTIED + L * (ATTENTION + 2 * F * H + 2 * H)),
    ("NemotronForCausalLM", {}, UNTIED + H + L * (ATTENTION + 2 * F * H + 4 * H)),
    ("GlmForCausalLM", {}, UNTIED + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H)),
    (  # slopes instead of positions, and a norm behind the table
        "BloomForCausalLM",
        {"intermediate_size": None, "max_position_embeddings": None},
        TIED + 3 * H + L * (ATTENTION + (Q + 2 * K + H) + 8 * H * H + 4 * H + H + 4 * H),
    ),
    (
        "DeepseekForCausalLM",
        {
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "n_shared_experts": 2,
            "first_k_dense_replace": 1,
        },
        UNTIED + L * (ATTENTION + 2 * H) + MLP + (L - 1) * (ROUTED + 3 * 2 * M * H),
    ),
    (
        "Lfm2MoeForCausalLM",
        {
            "layer_types": ["conv"] * 3 + ["full_attention"],
            "conv_L_cache": 3,
            "num_dense_layers": 2,
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
        },
        TIED + 3 * (4 * H * H + 3 * H) + ATTENTION + 2 * D + L * 2 * H + 2 * MLP + 2 * (ROUTED + E),
    ),
    (  # twice the heads where a window is, a gate a head, a dense MLP first
        "LagunaForCausalLM",
        {
            "layer_types": ["full_attention"] + ["sliding_attention"] * 3,
            "sliding_window": 64,
            "num_attention_heads_per_layer": [HEADS] + [2 * HEADS] * 3,
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "shared_expert_intermediate_size": S,
        },
        UNTIED
        + (ATTENTION + HEADS * H)
        + 3 * (ATTENTION + 2 * Q * H + 2 * HEADS * H)
        + L * (2 * D + 2 * H)
        + MLP
        + 3 * (ROUTED + E + 3 * S * H),
    ),
    (
        "StableLmForCausalLM",
        {"use_qkv_bias": True},
        UNTIED + H + L * (ATTENTION + (Q + 2 * K) + MLP + 4 * H),
    ),
    ("StableLmForCausalLM", {}, UNTIED + H + L * (ATTENTION + MLP + 4 * H)),
    (
        "Starcoder2ForCausalLM",
        {},
        TIED + H + L * (ATTENTION + (Q + 2 * K + H) + 2 * F * H + F + H + 4 * H),
    ),
    ("Cohere2ForCausalLM", {"sliding_window": 64}, TIED + L * (ATTENTION + MLP + H)),
    (  # each layer is one thing: Mamba 2, an MLP, attention, experts in a narrower space
        "NemotronHForCausalLM",
        {
            **MAMBA,
            "hybrid_override_pattern": "M-*E",
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "moe_latent_size": 30,
            "n_shared_experts": 1,
            "moe_shared_expert_intermediate_size": S,
        },
        UNTIED
        + L * H
        + MAMBA_2
        + 2 * F * H
        + ATTENTION
        + (E * H + E + 2 * 30 * H + E * 2 * M * 30 + 2 * S * H),
    ),
    (  # by name, how many there are is their number; experts as wide as the model
        "NemotronHForCausalLM",
        {
            **MAMBA,
            "num_hidden_layers": None,
            "layers_block_type": ["mamba", "moe", "mamba"],
            "use_conv_bias": False,
            "n_routed_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
        },
        UNTIED + 3 * H + 2 * (MAMBA_2 - MIXED) + E * H + E + E * 2 * M * H,
    ),
    (  # each layer with keys of its own, which count before the model's
        "NemotronHPuzzleForCausalLM",
        {
            **MAMBA,
            "num_hidden_layers": None,
            "n_routed_experts": E,
            "moe_latent_size": 30,
            "n_shared_experts": 1,
            "moe_shared_expert_intermediate_size": S,
            "block_configs": [
                {"block_type": "mamba", "ssm_state_size": None},
                {"block_type": "moe", "moe_intermediate_size": M, "num_experts_per_tok": 2},
                {"block_type": "attention"},
                {
                    "block_type": "moe",
                    "moe_intermediate_size": 2 * M,
                    "num_experts_per_tok": 1,
                    "moe_shared_expert_intermediate_size": 2 * S,
                },
            ],
        },
        UNTIED
        + L * H
        + MAMBA_2
        + ATTENTION
        + 2 * (E * H + E + 2 * 30 * H)
        + (E * 2 * M * 30 + 2 * S * H) * (1 + 2),
    ),
    (  # every second layer has experts, with a shared one as wide as they are
        "Llama4ForCausalLM",
        {
            "num_local_experts": E,
            "num_experts_per_tok": 1,
            "interleave_moe_layer_step": 2,
            "intermediate_size": M,
            "intermediate_size_mlp": F,
            "attention_chunk_size": 32,
        },
        UNTIED + L * (ATTENTION + 2 * H) + 2 * MLP + 2 * (ROUTED + 3 * M * H),
    ),
    (
        "PhiMoEForCausalLM",
        {
            "num_local_experts": E,
            "num_experts_per_tok": 2,
            "intermediate_size": M,
            "attention_bias": True,
        },
        UNTIED + H + V + L * (ATTENTION + (Q + 2 * K + H) + ROUTED + 4 * H),
    ),
    (  # layers are counted from 1; latent attention in the last one
        "KimiLinearForCausalLM",
        {
            **LATENT,
            "linear_attn_config": {
                "kda_layers": [1, 2, 3],
                "num_heads": 3,
                "head_dim": 10,
                "short_conv_kernel_size": 4,
            },
            "num_experts": E,
            "num_experts_per_token": 2,
            "moe_intermediate_size": M,
            "num_shared_experts": 1,
            "first_k_dense_replace": 1,
            "q_lora_rank": None,
        },
        UNTIED + 3 * KDA + MLA + L * 2 * H + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    (  # latent attention that turns nothing, with an indexer; two streams between layers
        "Glm5NextForCausalLM",
        {
            **LATENT,
            **SPARSE,
            **INDEX,
            "qk_rope_head_dim": 0,
            "head_dim": 0,
            "layer_types": ["linear_attention"] * 3 + ["indexed_attention"],
            "mlp_layer_types": ["dense"] + ["sparse"] * 3,
            "linear_num_heads": 3,
            "linear_head_dim": 10,
            "linear_conv_kernel_dim": 4,
            "index_kpool": 16,
            "hc_mult": 2,
        },
        UNTIED
        + 3 * KDA
        + (MLA + MLA_QUERY_RANK - 8 * H - HEADS * 8 * 28)
        + (INDEXER + 128 * H + 16 * 128)
        + L * (2 * H + 2 * (8 * 2 * H + 8 + 3))
        + MLP
        + 3 * (ROUTED + E + 3 * M * H),
    ),
    (  # dense layers see everything; the last three have an indexer and experts
        "MiniMaxM3SparseForCausalLM",
        M3,
        UNTIED
        + L * (ATTENTION + 2 * D + 2 * H)
        + 3 * F * H
        + 3 * (KV_HEADS * 16 * H + 16 * H + 2 * 16)
        + 3 * (ROUTED + E + 3 * M * H),
    ),
    (  # a layer that keeps a window alone, the first chosen by a table; one of each ratio
        "DeepseekV4ForCausalLM",
        V4,
        UNTIED
        + (2 * 2 * H + 2 + 1)
        + L * (28 * H + D * H + 28 + D + Q * 28 + 10 * Q + 20 * H + HEADS)
        + 2 * (4 * D * H + 8 * D + D)
        + 2 * (V4["index_n_heads"] * (128 * 28 + H) + 4 * 128 * H + 8 * 128 + 128)
        + (2 * D * H + 128 * D + D)
        + L * (2 * H + 2 * (8 * 2 * H + 8 + 3) + ROUTED + 3 * M * H)
        + V * 2
        + 3 * E,
    ),
    (  # a single group of states; an MLP that every token passes beside the experts
        "GraniteMoeHybridForCausalLM",
        {
            **GRANITE_H,
            "num_local_experts": E,
            "num_experts_per_tok": 2,
            "intermediate_size": M,
        },
        UNTIED + 3 * ONE_GROUP + ATTENTION + L * (2 * H + ROUTED + 3 * S * H),
    ),
    (  # no experts: the MLP alone
        "GraniteMoeHybridForCausalLM",
        {**GRANITE_H, "num_local_experts": 0, "tie_word_embeddings": True},
        TIED + 3 * ONE_GROUP + ATTENTION + L * (2 * H + 3 * S * H),
    ),
    (  # the norm behind the words stands for the first layer's own
        "ModernBertModel",
        {},
        V * H + H + L * (ATTENTION + MLP + 2 * H),
    ),
    (
        "GraniteMoeForCausalLM",
        {"num_local_experts": E, "num_experts_per_tok": 2, "intermediate_size": M},
        UNTIED + L * (ATTENTION + ROUTED + 2 * H),
    ),
    (
        "HunYuanMoEV1ForCausalLM",
        {
            "num_experts": E,
            "moe_topk": 2,
            "moe_intermediate_size": M,
            "num_shared_expert": 1,
        },  # as transformers builds it: its MLPs are all as wide as the first, one is shared
        UNTIED + L * (ATTENTION + 2 * D + E * H + (E + 1) * 3 * F * H + 2 * H),
    ),
    (
        "Ernie4_5_MoeForCausalLM",
        {
            "moe_num_experts": E,
            "moe_k": 2,
            "moe_intermediate_size": M,
            "moe_num_shared_experts": 2,
            "moe_layer_start_index": 1,
        },
        TIED + L * (ATTENTION + 2 * H) + MLP + (L - 1) * (ROUTED + E + 3 * 2 * M * H),
    ),
    (  # experts of another width for what is seen
        "Ernie4_5_VLMoeForCausalLM",
        {
            "moe_num_experts": [E, E],
            "moe_k": 2,
            "moe_intermediate_size": [M, 20],
            "moe_num_shared_experts": 2,
            "moe_layer_start_index": [1, 1],
            "moe_layer_end_index": [L - 1, L],
        },
        TIED
        + (L * (ATTENTION + 2 * H) + MLP)
        + 3 * (ROUTED + E + E * H + E + E * 3 * 20 * H + 3 * 2 * M * H),
    ),
    (
        "SarvamMoEForCausalLM",
        {**SPARSE, "first_k_dense_replace": 1, "use_qk_norm": True},
        UNTIED + L * (ATTENTION + 2 * D + 2 * H) + MLP + (L - 1) * (ROUTED + E + 3 * M * H),
    ),
    (  # which layers are dense is a list
        "HYV3ForCausalLM",
        {
            "num_experts": E,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": M,
            "num_shared_experts": 1,
            "mlp_layer_types": ["dense", "sparse", "dense", "sparse"],
        },
        UNTIED + L * (ATTENTION + 2 * D + 2 * H) + 2 * MLP + 2 * (ROUTED + E + 3 * M * H),
    ),
    (
        "Glm4MoeLiteForCausalLM",
        {**LATENT, **SPARSE, "first_k_dense_replace": 1},
        UNTIED + L * (MLA + MLA_QUERY_RANK + 2 * H) + MLP + (L - 1) * (ROUTED + E + 3 * M * H),
    ),
    (
        "DeepseekV32ForCausalLM",
        {**LATENT, **SPARSE, **INDEX},
        UNTIED + L * (MLA + MLA_QUERY_RANK + INDEXER + 2 * H + ROUTED + E + 3 * M * H),
    ),
    (  # of every two layers after the first one only the second chooses tokens itself
        "GlmMoeDsaForCausalLM",
        {**LATENT, **SPARSE, **INDEX, "index_topk_freq": 2, "index_skip_topk_offset": 1},
        UNTIED + L * (MLA + MLA_QUERY_RANK + 2 * H + ROUTED + E + 3 * M * H) + 2 * INDEXER,
    ),
    ("ArceeForCausalLM", {}, UNTIED + L * (ATTENTION + 2 * F * H + 2 * H)),
    ("SolarForCausalLM", {}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    ("GlmForCausalLM", {}, UNTIED + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H)),
    (  # one head of keys for all
        "GPTBigCodeForCausalLM",
        {"num_key_value_heads": None},
        TIED + H + 512 * H + L * (2 * (Q + D) * H + Q + 2 * D + H + 2 * F * H + F + H + 4 * H),
    ),
    (
        "GraniteMoeSharedForCausalLM",
        {
            "num_local_experts": E,
            "num_experts_per_tok": 2,
            "intermediate_size": M,
            "shared_intermediate_size": S,
        },
        UNTIED + L * (ATTENTION + ROUTED + 3 * S * H + 2 * H),
    ),
    (
        "SolarOpenForCausalLM",
        {**SPARSE, "q_lora_rank": None},
        UNTIED + L * (ATTENTION + ROUTED + 3 * M * H + 2 * H),
    ),
    (  # experts behind the first layer, a gate on what attention sums up
        "AfmoeForCausalLM",
        {**OF_EXPERTS, "num_shared_experts": 1, "num_dense_layers": 1, "sliding_window": 64},
        UNTIED + L * (GATED + 4 * H) + MLP + 3 * (ROUTED + E + 3 * M * H),
    ),
    (
        "Cohere2MoeForCausalLM",
        {
            **OF_EXPERTS,
            "intermediate_size": M,
            "prefix_dense_intermediate_size": F,
            "num_shared_experts": 1,
            "first_k_dense_replace": 1,
            "sliding_window": 64,
        },
        TIED + L * (ATTENTION + H) + MLP + 3 * (ROUTED + 3 * M * H),
    ),
    *(
        (
            name,
            {**OF_EXPERTS, "num_shared_experts": 1, "first_k_dense_replace": 1},
            UNTIED + L * (ATTENTION + 2 * D + 2 * H) + MLP + 3 * (ROUTED + E + 3 * M * H),
        )
        for name in ("ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM")
    ),
    (
        "Lfm2MoeForCausalLM",
        {
            **OF_EXPERTS,
            "num_dense_layers": 1,
            "layer_types": ["conv"] * 3 + ["full_attention"],
            "conv_L_cache": 3,
        },
        TIED + 3 * (4 * H * H + 3 * H) + (ATTENTION + 2 * D + 2 * H * L + MLP) + 3 * (ROUTED + E),
    ),
    (  # six heads where it sees a window, each with a gate
        "Step3p5ForCausalLM",
        {
            "num_key_value_heads": None,
            "num_attention_groups": KV_HEADS,
            "moe_num_experts": E,
            "moe_top_k": 2,
            "moe_intermediate_size": M,
            "share_expert_dim": S,
            "moe_layers_enum": "2,3",
            "use_head_wise_attn_gate": True,
            "sliding_window": 64,
            "layer_types": ["full_attention", "sliding_attention"] * 3,
            "attention_other_setting": {
                "attention_type": "sliding_attention",
                "num_attention_heads": 6,
            },
        },
        UNTIED
        + 2 * (ATTENTION + HEADS * H)
        + 2 * (2 * 6 * D * H + 2 * K * H + 6 * H)
        + L * (2 * D + 2 * H)
        + 2 * MLP
        + 2 * (ROUTED + E + 3 * S * H),
    ),
    (
        "MistralLarge3ForCausalLM",
        {**LATENT, **SPARSE, "first_k_dense_replace": 1},
        UNTIED + L * (MLA + MLA_QUERY_RANK + 2 * H) + MLP + 3 * (ROUTED + 3 * M * H),
    ),
    *(
        (
            name,
            {"type_vocab_size": 2},
            V * H + 2 * H + 2 * H + L * (ATTENTION + (Q + 2 * K + H) + MLP + H + 4 * H),
        )
        for name in ("GteModel", "GteNewModel")
    ),
    ("Gemma3TextModel", {"sliding_window": 64}, TIED + L * (ATTENTION + 2 * D + MLP + 4 * H)),
    (  # four streams; the last layer reads the keys of an earlier one
        "Gemma3nForCausalLM",
        {
            "sliding_window": 64,
            "num_kv_shared_layers": 1,
            "vocab_size_per_layer_input": 90,
            "hidden_size_per_layer_input": 10,
            "laurel_rank": 8,
        },
        TIED
        + (90 * L * 10 + L * 10 * H + 10 + 6 * H * H)
        + L * (2 * Q * H + D + MLP + 5 * H + 2 * 10 * H)
        + L * (16 * 5 + 4 * H + 2 * H + 2 * 8 * H + H)
        + 3 * (2 * K * H + D),
    ),
    ("NemotronForCausalLM", {}, UNTIED + H + L * (ATTENTION + 2 * F * H + 4 * H)),
    (
        "GPTJForCausalLM",
        {},
        UNTIED + H + V + L * (ATTENTION + 2 * F * H + F + H + 2 * H),
    ),
    (
        "ModernBertForSequenceClassification",
        {"num_labels": 1},
        TIED + L * (ATTENTION + MLP + 2 * H) + H * H + H + H + 1,
    ),
    ("LlamaBidirectionalModel", {}, TIED + L * (ATTENTION + MLP + 2 * H)),
    (
        "LlamaBidirectionalForSequenceClassification",
        {"num_labels": 1},
        TIED + H + L * (ATTENTION + MLP + 2 * H),
    ),
    (
        "GteNewForSequenceClassification",
        {"type_vocab_size": 2, "num_labels": 1},
        V * H
        + 2 * H
        + 2 * H
        + L * (ATTENTION + (Q + 2 * K + H) + MLP + H + 4 * H)
        + H * H
        + H
        + H
        + 1,
    ),
    ("JinaEmbeddingsV5Model", {}, TIED + L * (ATTENTION + 2 * D + MLP + 2 * H)),
    ("JinaEmbeddingsV5Model", {"is_decoder": False}, TIED + L * (ATTENTION + MLP + 2 * H)),
    (
        "VoyageQwen3BidirectionalEmbedModel",
        {"num_labels": 3},
        TIED + 3 * H + L * (ATTENTION + 2 * D + MLP + 2 * H),
    ),
    (  # three layers of a window with heads of their own, the first of them dense
        "InklingForCausalLM",
        INKLING,
        UNTIED
        + H
        + 3 * (6 * D * H + 2 * K * H + 6 * 3 * H + H * 6 * D + 2 * D + 3 * 5)
        + (Q * H + 2 * K * H + 4 * 3 * H + H * Q + 2 * D + 3 * 7)
        + L * (2 * K * 4 + 2 * H * 4 + 2 * H)
        + (MLP + 1)
        + 3 * ((E + 2) * H + E + 1 + E * 3 * M * H + 3 * 2 * M * H),
    ),
    *(
        (
            name,
            STATES | {"time_step_rank": 5},
            TIED
            + L * (2 * F * H + F * 3 + F + (5 + 2 * 16) * F + F * 5 + F + F * 16 + F + H * F + H),
        )
        for name in ("MambaForCausalLM", "FalconMambaForCausalLM")
    ),
    (  # as wide inside as its heads: 4 of 24
        "Mamba2ForCausalLM",
        STATES | {"num_heads": 4, "n_groups": 2, "use_bias": True},
        UNTIED
        + L * ((2 * F + 2 * 2 * 16 + 4) * (H + 1) + (F + 64) * (3 + 1) + 3 * 4 + F + H * F + 2 * H),
    ),
    (  # four streams, three linear layers to one that chooses tokens, n-grams in the second
        "Qwen4ExpForCausalLM",
        QWEN4_EXP,
        2 * V * H
        + 3 * DELTA
        + GATED
        + (3 + 1) * 8 * H
        + 2 * 8
        + L * (ROUTED + 3 * S * H + H)
        + L * 2 * ((1 + 2 * 5 + 4) * 4 * H)
        + (1 + 2 * 5) * 4 * H
        + 48 * 8  # rows of 5 + 7 + 11 + 13, padded, an eighth of 4 tables' 32
        + (4 * H + H) * 32
        + 3 * 4 * H
        + 4 * H * 2,
    ),
    ("HyperCLOVAXForCausalLM", {}, UNTIED + L * (ATTENTION + MLP + 2 * H)),
    (
        "HyperCLOVAXForCausalLM",
        {"use_post_norm": True},
        UNTIED + L * (ATTENTION + MLP + 4 * H),
    ),
    *(
        (
            name,
            BAILING,
            UNTIED + L * (ATTENTION + 2 * D + 2 * H) + MLP + 3 * (ROUTED + E + 2 * 3 * M * H),
        )
        for name in ("BailingMoeForCausalLM", "BailingMoeV2ForCausalLM")
    ),
    (  # no bias of the router, a shared width of its own, biases of queries, keys and values
        "BailingMoeV2ForCausalLM",
        BAILING
        | {"moe_router_enable_expert_bias": False, "use_qkv_bias": True, "use_qk_norm": False}
        | {"moe_shared_expert_intermediate_size": S, "router_dtype": "fp32"},
        UNTIED + L * (ATTENTION + Q + 2 * K + 2 * H) + MLP + 3 * (ROUTED + 2 * 3 * S * H),
    ),
    ("LlamaModel", {}, TIED + L * (ATTENTION + MLP + 2 * H)),
    ("Qwen2Model", {}, TIED + L * (ATTENTION + (Q + 2 * K) + MLP + 2 * H)),
    *MORE,
    *LATE,
]


def config(architecture: str = "LlamaForCausalLM", **more: Any) -> Config:
    """A whole small config. ``...`` leaves a key out."""
    given = BASE | {"architectures": [architecture]} | more
    return {key: value for key, value in given.items() if value is not ...}


def usual(architecture: str) -> Config:
    """The config of the first case of a family."""
    return config(architecture, **next(more for name, more, _ in COUNTED if name == architecture))


QWEN_60 = {
    "architectures": ["Qwen2MoeForCausalLM"],
    "hidden_size": 2048,
    "intermediate_size": 5632,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "vocab_size": 151936,
    "max_position_embeddings": 8192,
    "tie_word_embeddings": False,
    "num_experts": 60,
    "num_experts_per_tok": 4,
    "moe_intermediate_size": 1408,
    "shared_expert_intermediate_size": 5632,
    "torch_dtype": "bfloat16",
}
"""Qwen1.5-MoE-A2.7B with its 60 experts, by the config.json of its page."""
