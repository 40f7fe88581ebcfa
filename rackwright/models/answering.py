"""Families that answer with a vector, a score or a transcript, in vLLM 0.32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from rackwright.models.family import Answer, Family

VECTORS = ("ForTextEncoding", "EmbeddingModel", "ForRewardModeling", "RewardModel", "Model")
SCORES = ("ForSequenceClassification", "ForTokenClassification", "ClassificationModel")
WRITING = ("ForCausalLM", "LMHeadModel")
"""Ends of names by what such a model answers with; the engine builds each as the one that writes.

Source: _SUFFIX_TO_DEFAULTS in vllm/config/model.py and _normalize_arch in
model_executor/models/registry.py, 0.32.
"""
WRITING_MODELS = (
    *("ForConditionalGeneration", "ChatModel", "ChatGLMModel", "OmniModel"),
    *("MiDashengLMModel", "MossAudioModel", "UltravoxModel"),
)
"""Ends of other names of models that write (_TEXT_GENERATION_MODELS, _MULTIMODAL_MODELS there)."""
ALSO = {
    "DeepseekV3BidirectionalModel": "DeepseekV3ForCausalLM",
    "Gemma3TextModel": "Gemma3ForCausalLM",
    "IQuestCoderForCausalLM": "LlamaForCausalLM",
    "LLaMAForCausalLM": "LlamaForCausalLM",
    "MiMoV2ForCausalLM": "MiMoV2FlashForCausalLM",
    "LlamaBidirectionalForSequenceClassification": "LlamaForCausalLM",
    "LlamaBidirectionalModel": "LlamaForCausalLM",
    "Qwen2ForProcessRewardModel": "Qwen2ForCausalLM",
    "Qwen2ForRewardModel": "Qwen2ForCausalLM",
    "TeleFLMForCausalLM": "LlamaForCausalLM",
    "TeleChat3ForCausalLM": "LlamaForCausalLM",
    "XLMRobertaForMaskedLM": "",
}
"""Other names that the registry gives to a class, and those that are no rule's; empty: none."""
REWARDS: dict[str, Answer] = {
    "Qwen2ForProcessRewardModel": "judged",
    "Qwen2ForRewardModel": "rewarded",
}
"""With two layers on the last one, of one score or of two."""


def other_heads(architecture: str) -> Iterator[str]:
    """Names that a model with this head may be built as, the likeliest first."""
    if architecture in ALSO:
        yield ALSO[architecture]
        return
    for end in (*VECTORS, *SCORES):
        if architecture.endswith(end):
            yield from (architecture.removesuffix(end) + other for other in WRITING)
            return


def answers_of(architecture: str) -> Literal["text", "vectors"]:
    """What a model that is not known answers with, by its name as the engine takes it."""
    if architecture.endswith((*WRITING, *WRITING_MODELS)):
        return "text"
    return "vectors" if architecture.endswith((*VECTORS, *SCORES)) else "text"


def answer_of(architecture: str) -> Answer:
    """What such a model puts on its last layer instead of a table of outputs.

    Source of the rewards: vllm/model_executor/models/qwen2_rm.py, 0.32; labels in the file count
    for nothing there.
    """
    if rewards := REWARDS.get(architecture):
        return rewards
    return "score" if architecture.endswith(SCORES) else ""


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

GTE = Family(
    norm_bias=True,
    qkv_bias=True,
    output_bias=True,
    reads_attention_bias=False,
    final_norm=False,
    types=True,
    embedding_norm=True,
    encoder=True,
    headless=True,
)

ANSWERING: dict[str, Family] = {
    "BertModel": BERT,
    "BertForSequenceClassification": replace(BERT, answer="classified"),
    "BertForMaskedLM": replace(BERT, answer="masked"),
    "BertSpladeSparseEmbeddingModel": replace(BERT, answer="masked"),
    "BgeM3EmbeddingModel": replace(ROBERTA, answer="threefold"),
    "RobertaForMaskedLM": replace(ROBERTA, answer="worded"),
    "BertForTokenClassification": replace(BERT, answer="labelled"),
    "RobertaModel": ROBERTA,
    "RobertaForSequenceClassification": replace(ROBERTA, answer="scored"),
    "RobertaForTokenClassification": replace(ROBERTA, answer="labelled"),
    "XLMRobertaForTokenClassification": replace(ROBERTA, answer="labelled"),
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
    "ModernBertForSequenceClassification": Family(encoder=True, headless=True, answer="headed"),
    "ModernBertForTokenClassification": Family(encoder=True, headless=True, answer="headed"),
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
    "EmbeddingGemma2Model": Family(
        windows="pattern", scaled_context=True, encoder=True, headless=True
    ),
    "GteModel": GTE,
    "GteNewModel": GTE,
    "GteNewForSequenceClassification": replace(GTE, answer="classified"),
    "JinaEmbeddingsV5Model": Family(qk_norm="head", headless=True),
    "VoyageQwen3BidirectionalEmbedModel": Family(qk_norm="head", headless=True, answer="projected"),
    "Gemma3TextModel": Family(
        norms=4,
        qk_norm="head",
        windows="pattern",
        scaled_context=True,
        float16=False,
        headless=True,
    ),
    "InternLM2ForRewardModel": Family(reads_attention_bias=False, headless=True, answer="valued"),
    "JinaVLForRanking": Family(
        qkv_bias=True,
        reads_attention_bias=False,
        output_follows_bias=False,
        windows="upper",
        headless=True,
        keeps_head=True,
        answer="ranked",
    ),
    "LlamaBidirectionalModel": Family(headless=True),
    "LlamaBidirectionalForSequenceClassification": Family(headless=True, answer="score"),
    "LlamaModel": Family(headless=True),
    "Qwen2Model": Family(
        qkv_bias=True,
        reads_attention_bias=False,
        output_follows_bias=False,
        windows="upper",
        headless=True,
    ),
    "MistralModel": Family(windows="all", headless=True),
}
"""By the architecture that ``config.json`` names."""
