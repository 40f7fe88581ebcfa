"""What a model that does not write text of text is asked to do, by the names that vLLM has for it.

Source: _SUFFIX_TO_DEFAULTS and get_pooling_task in vllm/config/model.py; the poolers of bert.py,
roberta.py, qwen2_rm.py, internlm2.py and those of late interaction in vllm/model_executor/models;
vllm/tasks.py and SupportsTranscription in model_executor/models/interfaces.py, 0.32.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Literal

from rackwright.models.late import LATE
from rackwright.models.shape import Shape

Task = Literal["embed", "classify", "token_classify", "token_embed", "transcription"]
"""A vector of a text; scores of a text; scores of each of its tokens; a vector of each of them;
what is said in a sound.
"""
IN_WORDS: dict[Task, str] = {
    "embed": "vectors",
    "classify": "scores",
    "token_classify": "scores of each token",
    "token_embed": "vectors of each token",
    "transcription": "transcripts",
}
_OF_TOKENS = (
    "BertForMaskedLM",
    "InternLM2ForRewardModel",
    "Qwen2ForProcessRewardModel",
    "Qwen2ForRewardModel",
)
"""Which score tokens, though their names do not say so."""
_OF_TEXTS = ("ForSequenceClassification", "ClassificationModel", "JinaVLForRanking")
OF_PAIRED_TEXTS = "JinaForRanking"
"""Which is given texts and a query together, and makes one vector of each of them."""
_IN_ONE_STEP = frozenset(LATE) - {OF_PAIRED_TEXTS}
"""Which make a vector of each token, and read a text in one step, decoders among them too.

Source: their ``default_pooling_type``, and attn_type in vllm/config/model.py, 0.32.
"""
OF_SEVERAL = "BgeM3EmbeddingModel"
"""Which makes a vector of a text, scores and vectors of its tokens, as it is told."""
_ALSO: dict[Task, tuple[Task, ...]] = {
    "embed": ("embed", "token_embed"),
    "classify": ("classify", "token_classify"),
}
"""What a model can be told to do instead of what it does untold (DispatchPooler in
vllm/model_executor/layers/pooler/special.py, 0.32)."""
_LAST_LAYERS = ("classifier.out_proj", "classifier", "score")
SCORES_OF_PAIRS = 1
"""Labels of a model that can say how well two texts go together (a reranker)."""


def task_of(shape: Shape) -> Task | None:
    """What such a model is asked for; None for one that writes, in whatever language."""
    if shape.answers == "transcripts":
        return "transcription"
    if shape.answers != "vectors":
        return None
    name = shape.architecture
    if name in _OF_TOKENS or name.endswith("ForTokenClassification"):
        return "token_classify"
    if name in _IN_ONE_STEP or name == OF_PAIRED_TEXTS:
        return "token_embed"
    return "classify" if name.endswith(_OF_TEXTS) else "embed"


def tasks_of(shape: Shape, untold: Task) -> tuple[Task, ...]:
    """What a model with such a task can be told to do."""
    if shape.architecture == OF_SEVERAL:
        return ("embed", "token_embed", "token_classify")
    return _ALSO.get(untold, (untold,))


def reads_in_one_step(shape: Shape) -> bool:
    """Whether the engine reads no text of it in pieces, though it may keep what it read."""
    return shape.architecture in _IN_ONE_STEP or not keeps_tokens(shape)


def writes(task: Task | None) -> bool:
    """Whether tokens are made one after another, which an engine counts."""
    return task in (None, "transcription")


def labels_of(shape: Shape) -> int:
    """How many scores it has for a text or a token; 0 for one whose last layer has no names."""
    named = ((one.name.removesuffix(".weight"), one.rows) for one in shape.beside)
    rows = (rows for name, rows in named if name in _LAST_LAYERS)
    return next(rows, 0)


def keeps_tokens(shape: Shape) -> bool:
    """Whether it keeps anything of a request's tokens: what reads a text at once does not."""
    return any(layer.kv.elements or layer.kv.state_bytes for layer in shape.kinds)


@lru_cache(maxsize=1024)
def pooled(shape: Shape) -> Shape:
    """A model that could write, loaded to answer with vectors: without its table of outputs.

    Source: _create_pooling_model_cls in vllm/model_executor/models/adapters.py, 0.32.
    """
    return replace(shape, answers="vectors", tied=True)
