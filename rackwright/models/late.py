"""Families that answer with a vector of each token (late interaction), in vLLM 0.32.

Source: _LATE_INTERACTION_MODELS in vllm/model_executor/models/registry.py, and its classes. Where
one of BERT's kind does not say how long vectors are, 128 numbers are counted, which is ColBERT's
own default (``dim`` in colbert/infra/config/settings.py).
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.answering import BERT, ROBERTA
from rackwright.models.family import Family, Projection

_OF_BERTS = Projection(("colbert_dim", "dim", "projection_dim"), guessed=128)
_OF_QWENS = Projection(("embed_dim", "dims", "dim", "projection_dim", "colbert_dim"), bias=True)
_OF_PAGES = Projection(
    ("embedding_dim", "embed_dim", "dim", "projection_dim", "colbert_dim"), bias=True
)
"""Files have a bias, which the engine drops of some."""
_QWEN3 = Family(
    qk_norm="head",
    windows="upper",
    section_reach=1,
    headless=True,
    keeps_head=True,
    projection=_OF_QWENS,
)

LATE: dict[str, Family] = {
    "HF_ColBERT": replace(BERT, projection=_OF_BERTS._replace(keys=())),
    "ColBERTJinaRobertaModel": replace(ROBERTA, projection=_OF_BERTS),
    "ColBERTLfm2Model": Family(qk_norm="head", tied=True, headless=True, projection=_OF_BERTS),
    "ColBERTModernBertModel": Family(encoder=True, headless=True, projection=_OF_BERTS),
    "ColModernVBertForRetrieval": Family(
        encoder=True,
        headless=True,
        projection=Projection(("embedding_dim",), usual=128, bias=True),
    ),
    "ColPaliForRetrieval": Family(tied=True, headless=True, keeps_head=True, projection=_OF_PAGES),
    "ColQwen3": _QWEN3,
    "ColQwen3_5": Family(
        qk_norm="head",
        output_follows_bias=False,
        linear=True,
        gated_query=True,
        section_reach=1,
        headless=True,
        keeps_head=True,
        projection=_OF_QWENS._replace(usual=128),
    ),
    "JinaForRanking": Family(
        qk_norm="head",
        windows="upper",
        headless=True,
        projection=Projection(usual=512, narrows=True),
    ),
    "OpsColQwen3Model": _QWEN3,
    "Qwen3VLNemotronEmbedModel": _QWEN3,
}
"""By the architecture that ``config.json`` names."""
