"""Made-up configs of models that answer with a vector of each token, or rank, counted by hand."""

from __future__ import annotations

from tests.samples.sizes import (
    ATTENTION,
    DELTA,
    HEADS,
    LINEAR,
    MLP,
    TIED,
    Config,
    D,
    F,
    H,
    K,
    L,
    Q,
    V,
)

TYPES: Config = {"type_vocab_size": 2}
WORDS = V * H + 2 * H + 2 * H  # words, types, and a norm that also shifts
BIASED = ATTENTION + Q + 2 * K + H + 2 * F * H + F + H + 4 * H
POOLER = H * H + H
GATED = ATTENTION + Q * H + 2 * D
SIGLIP: Config = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "patch_size": 4,
    "image_size": 20,
}
# Patches of three colours with a bias, 25 places; layers of four products and two, their biases,
# two norms; a last norm; 24 x 2 x 2 to the text model.
SEEING = (
    (24 * (3 * 16 + 1) + 25 * 24)
    + 3 * (4 * 24 * 24 + 4 * 24 + 2 * 40 * 24 + 40 + 24 + 4 * 24)
    + 2 * 24
    + H * 24 * 4
)
QWEN = TIED + L * (ATTENTION + 2 * D + MLP + 2 * H)
HYBRID: Config = {
    **LINEAR,
    "full_attention_interval": 2,
    "retrieval_attention_contract": "causal",
}

LATE: list[tuple[str, Config, int]] = [
    ("HF_ColBERT", TYPES, WORDS + 512 * H + L * BIASED + POOLER + 128 * H),
    (
        "ColBERTJinaRobertaModel",
        {**TYPES, "position_embedding_type": "rotary", "dim": 10},
        WORDS + L * BIASED + 10 * H,
    ),
    (
        "ColBERTLfm2Model",
        {
            "layer_types": ["conv"] * 3 + ["full_attention"],
            "conv_L_cache": 3,
            "block_multiple_of": 10,
        },
        TIED + 3 * (4 * H * H + 3 * H) + ATTENTION + 2 * D + L * (3 * 70 * H + 2 * H) + 128 * H,
    ),
    (
        "ColBERTModernBertModel",
        {"dim": 10},
        V * H + H + L * (ATTENTION + MLP + 2 * H) + 10 * H,
    ),
    (  # the first key of three counts
        "ColBERTModernBertModel",
        {"projection_dim": 7, "dim": 6, "colbert_dim": 5},
        V * H + H + L * (ATTENTION + MLP + 2 * H) + 5 * H,
    ),
    (
        "ColModernVBertForRetrieval",
        {"vision_config": SIGLIP, "pixel_shuffle_factor": 2, "embedding_dim": 10},
        V * H + H + L * (4 * H * H + MLP + 2 * H) + 10 * (H + 1) + SEEING,
    ),
    (
        "ColPaliForRetrieval",
        {"embedding_dim": 10, "projection_dim": 11},
        TIED + L * (ATTENTION + MLP + 2 * H) + 10 * (H + 1),
    ),
    *(
        (name, {"tie_word_embeddings": True, "dims": 10}, QWEN + 10 * (H + 1))
        for name in ("ColQwen3", "OpsColQwen3Model", "Qwen3VLNemotronEmbedModel")
    ),
    ("Qwen3VLNemotronEmbedModel", {}, QWEN),  # nothing behind its last layer
    ("ColQwen3_5", HYBRID, TIED + 2 * DELTA + 2 * GATED + L * (MLP + 2 * H) + 128 * (H + 1)),
    ("JinaForRanking", {}, QWEN + (H // 2) * H + 512 * (H // 2)),
    (  # the third layer sees everything, with wider heads and one key for all of them
        "EmbeddingGemma2Model",
        {
            "sliding_window": 8,
            "sliding_window_pattern": 3,
            "global_head_dim": 32,
            "hidden_size_per_layer_input": 12,
            "embedding_dim": 10,
        },
        TIED
        + 3 * (ATTENTION + 2 * D)
        + (2 * HEADS * 32 * H + 2 * 32 * H + 2 * 32)
        + L * (MLP + 4 * H + 1 + 2 * 12 * H + H)
        + (L * 12 * H + 12 + 10 * H),
    ),
    ("InternLM2ForRewardModel", {}, TIED + L * (ATTENTION + MLP + 2 * H) + H),
    (
        "JinaVLForRanking",
        {"tie_word_embeddings": True},
        TIED + L * (ATTENTION + Q + 2 * K + MLP + 2 * H) + H * (H + 1) + H + 1,
    ),
]
