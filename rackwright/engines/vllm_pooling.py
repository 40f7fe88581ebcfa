"""vLLM with its pooling runner: models that answer with vectors or scores, as of vLLM 0.32.

Which paths it answers: register_pooling_api_routers in vllm/entrypoints/pooling/factories.py and
enable_scoring_api in utils.py beside it. What fits no such model: _verify_* and is_*_supported in
vllm/config/model.py, verify_max_model_len in config/scheduler.py. Tried with the CPU build and
models of random weights: each answered the paths that are planned, and no other of them; of late
interaction HF_ColBERT, those of ModernBERT and LFM2, JinaForRanking, ColQwen3 without its tower.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rackwright.engines.answers import Canary
from rackwright.models.tasks import (
    OF_SEVERAL,
    SCORES_OF_PAIRS,
    Task,
    keeps_tokens,
    labels_of,
    pooled,
    reads_in_one_step,
    task_of,
    tasks_of,
)

if TYPE_CHECKING:
    from rackwright.models import Shape
    from rackwright.spec import ServiceSpec

TASKS: tuple[Task, ...] = ("embed", "classify", "token_classify", "token_embed")
VECTORS = ("/v1/embeddings",)
PAIRS = ("/rerank", "/v1/rerank", "/v2/rerank", "/score", "/v1/score")
SCORES = ("/classify",)
ANY = ("/pooling",)
POOLING = (*VECTORS, *PAIRS, *SCORES, *ANY)
"""Paths that no model answers which writes."""
TOKENS = ("/tokenize", "/detokenize")
_CANARIES: Mapping[Task, str] = {
    "embed": "/v1/embeddings",
    "classify": "/classify",
    "token_classify": "/pooling",
    "token_embed": "/pooling",
}
_OF_WRITERS = (
    *("enable-auto-tool-choice", "tool-call-parser", "tool-parser-plugin", "tool-server"),
    *("reasoning-parser", "reasoning-parser-plugin", "reasoning-config", "logits-processors"),
    *("structured-outputs-config", "generation-config", "override-generation-config"),
    *("max-logprobs", "logprobs-mode", "return-tokens-as-token-ids", "async-scheduling"),
)
"""Flags that only change what is written, and one that makes pooling slower."""
_SAYS = {
    "runner": ("auto", "generate", "pooling"),
    "convert": ("auto", "none", "embed", "classify"),
}
"""Flags by which an operator says what a model is for, with what they may be (RunnerOption and
ConvertOption in vllm/config/model.py; a draft is no service)."""
_OF_CACHES = ("enable-prefix-caching", "enable-chunked-prefill")
POOLER = "pooler-config"
"""The flag whose ``task`` says which of several a model does (PoolerConfig in config/pooler.py)."""
RENAMED = (
    *("BertSpladeSparseEmbeddingModel", "BgeM3EmbeddingModel", "GteNewModel"),
    *("ColBERTJinaRobertaModel", "ColBERTLfm2Model", "ColBERTModernBertModel"),
    "GteNewForSequenceClassification",
)
"""Classes that makers' files have another name for, so that the engine is told these.

Source: docs/models/pooling_models/specific_models.md, docs/models/supported_models.md, 0.32.
"""


def by_hand(extra_args: Mapping[str, object]) -> Task | None:
    """What the operator's own flags make of a model that could write."""
    said = _plain(extra_args)
    if said.get("convert") == "classify":
        return "classify"
    return "embed" if said.get("runner") == "pooling" or said.get("convert") == "embed" else None


def _plain(extra_args: Mapping[str, object]) -> dict[str, object]:
    return {flag.replace("_", "-").partition(".")[0]: one for flag, one in extra_args.items()}


def task(service: ServiceSpec, shape: Shape) -> Task | None:
    """By its architecture, or for one that could write by the operator's flags.

    Of what it can do the operator's ``pooler-config`` may choose another than the first.
    """
    untold = _untold(service, shape)
    told = told_task(service.extra_args) if untold else None
    can = tasks_of(shape, untold) if untold else ()
    return next((one for one in can if one == told), untold)


def _untold(service: ServiceSpec, shape: Shape) -> Task | None:
    return task_of(shape) or (by_hand(service.extra_args) if shape.answers == "text" else None)


def told_task(extra_args: Mapping[str, object]) -> object:
    """The task that the operator's ``pooler-config`` names; None where it names none."""
    for given, value in extra_args.items():
        flag, _, key = given.replace("_", "-").partition(".")
        if flag == POOLER and key in ("", "task"):
            found = value if key else _json(value).get("task")
            if found is not None:
                return found
    return None


def _json(value: object) -> Mapping[str, object]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def pooler(service: ServiceSpec, shape: Shape, asked: Task | None) -> str | None:
    """What it is told to do where it would do two things at once, which no path answers."""
    if shape.architecture != OF_SEVERAL or told_task(service.extra_args) is not None:
        return None
    return json.dumps({"task": asked}, separators=(",", ":"))


def renamed(shape: Shape) -> str | None:
    """The class that the engine has for the model, where its files may name another."""
    if shape.architecture not in RENAMED:
        return None
    return json.dumps({"architectures": [shape.architecture]}, separators=(",", ":"))


def as_loaded(service: ServiceSpec, shape: Shape) -> Shape:
    """Without what only writing needs."""
    writes = shape.answers == "text"
    return pooled(shape) if writes and task(service, shape) else shape


def runner(service: ServiceSpec, asked: Task | None) -> str | None:
    """What its runner is told to be; the operator's own flag says it already."""
    pools = asked in TASKS and "runner" not in _plain(service.extra_args)
    return "pooling" if pools else None


def paths(asked: Task, shape: Shape) -> tuple[str, ...]:
    """What such a model answers. Only with one label does it say how well two texts go together."""
    if asked == "embed":
        return (*VECTORS, *PAIRS, *ANY, *TOKENS)
    if asked == "classify":
        pairs = PAIRS if labels_of(shape) == SCORES_OF_PAIRS else ()
        return (*pairs, *SCORES, *ANY, *TOKENS)
    return (*PAIRS, *ANY, *TOKENS) if asked == "token_embed" else (*ANY, *TOKENS)


def canary(service: ServiceSpec, asked: Task) -> Canary:
    """The shortest text, of which it makes what it makes of others.

    Two where vectors are made of tokens: some models want texts, and a query behind them.
    """
    text = ["Hi", "Hi"] if asked == "token_embed" else "Hi"
    return Canary(_CANARIES[asked], {"model": service.served_as, "input": text})


def flag_faults(service: ServiceSpec, shape: Shape) -> Iterator[tuple[str, str]]:
    """Flag and rule for each extra flag that such a model has no use for, or that says nothing."""
    asked = task(service, shape)
    for given, value in service.extra_args.items():
        flag = given.replace("_", "-").partition(".")[0]
        if flag and (meant := next((f for f in _SAYS if f.startswith(flag) and f != flag), "")):
            yield given, f"must be written {meant}"  # a parser takes the beginning of a name
        elif asked is None and flag in _SAYS and value not in _SAYS[flag]:
            yield given, f"must be {', '.join(_SAYS[flag][:-1])} or {_SAYS[flag][-1]}"
    if asked:
        yield from _pooling_faults(service, shape)


def _pooling_faults(service: ServiceSpec, shape: Shape) -> Iterator[tuple[str, str]]:
    """A model that could write has to be told all, or its files' own word for it would count."""
    own, keeps = task_of(shape) is not None, keeps_tokens(shape)
    runners = ("pooling",) if own else ("pooling", "auto")
    yield from _told_faults(service, shape)
    for given, value in service.extra_args.items():
        flag = given.replace("_", "-").partition(".")[0]
        if flag in _OF_WRITERS and value is not False:
            yield given, "must be left out, the model writes nothing"
        elif flag in _OF_CACHES and value is not False and not keeps:
            yield given, "must be left out, the model reads a text at once and keeps none of it"
        elif flag in _OF_CACHES and value is not False and reads_in_one_step(shape):
            yield given, "must be left out, vLLM reads a text in one step for such a model"
        elif flag == "runner" and value not in runners:
            yield given, "must be pooling or left out, the model writes nothing"
        elif flag == "convert" and own and value != "auto":
            yield given, "must be left out, the model's own architecture says what it answers"
        elif flag == "convert" and not own and value not in ("auto", "embed", "classify"):
            yield given, "must be auto, embed or classify: the model could write"


def _told_faults(service: ServiceSpec, shape: Shape) -> Iterator[tuple[str, str]]:
    """A task that the model has not, which the engine does not start with."""
    told, untold = told_task(service.extra_args), _untold(service, shape)
    can = tasks_of(shape, untold) if untold else ()
    if told is None or told in can:
        return
    for given in service.extra_args:
        if given.replace("_", "-").partition(".")[0] == POOLER:
            yield given, f"must name as its task {' or '.join(can)}: the model can do no other"
            return
