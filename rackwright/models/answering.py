"""Families that answer with a vector, a score or a transcript, in vLLM 0.32."""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.family import Family

BERT = Family(
    mlp="plain",
    mlp_bias=True,
    norm_bias=True,
    qkv_bias=True,
    output_bias=True,
    reads_attention_bias=False,
    final_norm=False,
    positions=True,
    types=True,
    embedding_norm=True,
    encoder=True,
    headless=True,
    answer="pooled",
)
ROBERTA = replace(BERT, positions_skip=2)

ANSWERING: dict[str, Family] = {
    "BertModel": BERT,
    "BertForSequenceClassification": replace(BERT, answer="classified"),
    "RobertaModel": ROBERTA,
    "RobertaForSequenceClassification": replace(ROBERTA, answer="scored"),
    "XLMRobertaModel": ROBERTA,
    "XLMRobertaForSequenceClassification": replace(ROBERTA, answer="scored"),
    "NomicBertModel": Family(
        norm_bias=True,
        final_norm=False,
        types=True,
        embedding_norm=True,
        encoder=True,
        headless=True,
    ),
    "ModernBertModel": Family(encoder=True, headless=True),
    "WhisperForConditionalGeneration": Family(
        mlp="plain", mlp_bias=True, norm_bias=True, tied=True, hears=True
    ),
    "LlamaForSequenceClassification": Family(headless=True, answer="score"),
    "Qwen2ForSequenceClassification": Family(
        qkv_bias=True,
        reads_attention_bias=False,
        output_follows_bias=False,
        windows="upper",
        headless=True,
        answer="score",
    ),
    "Qwen3ForSequenceClassification": Family(
        qk_norm="head", windows="upper", headless=True, answer="score"
    ),
    "MistralModel": Family(windows="all", headless=True),
}
"""By the architecture that ``config.json`` names."""
