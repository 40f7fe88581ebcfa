"""What the engine holds is what was planned: model, context, slots, and all of it on GPUs.

For engines that say so. A part that lies on the host is the silent fall-back to the CPU: everything
answers, ten times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import DIGEST, OLLAMA, answer
from rackwright.checks.replica.when import SAYS_WHAT_IT_HOLDS
from rackwright.checks.results import Finding, Status
from rackwright.engines import ENGINES, Loaded

_PADDING = 256
"""Engines round a context up, to at most so many tokens more."""
_MIB, _GIB = 1024**2, 1024**3


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL for another model, context or number of slots, and for a part beside the GPUs."""
    answers: dict[str, Any] = {}
    for name, observed in dict(seen.get("answers") or {}).items():
        reply, status, why = answer_of(observed)
        if reply is None:
            return Finding(status, f"{name}: {why}", _remedy(planned))
        answers[name] = reply.get("body")
    try:
        loaded = ENGINES[planned.engine].loaded(planned.served_model_name, answers)
    except ValueError as wrong:
        return Finding(Status.CRITICAL, str(wrong), _remedy(planned))
    if loaded is None:
        return Finding(Status.UNKNOWN, "was not observed", _remedy(planned))
    if differs := "; ".join(_wrong(planned, loaded)):
        return Finding(Status.CRITICAL, differs, _remedy(planned))
    return Finding(Status.OK, ", ".join(_words(loaded)))


def _remedy(planned: PlannedReplica) -> str:
    return f"journalctl -u {planned.unit} on {planned.host} says why; then restart it"


def _wrong(planned: PlannedReplica, loaded: Loaded) -> Iterator[str]:
    context, wanted = loaded.context, planned.max_model_len
    if context is not None and not wanted <= context < wanted + _PADDING:
        yield f"context of {context} tokens, not {wanted}"
    if loaded.slots is not None and planned.slots is not None and loaded.slots != planned.slots:
        yield f"{loaded.slots} slots, not {planned.slots}"
    total, on_gpu = loaded.total_bytes or 0, loaded.on_gpu_bytes or 0
    if planned.uses_gpus and on_gpu < total:
        yield f"{_part(on_gpu, total)} on GPUs: the rest fell back to the CPU"
    if planned.digest and loaded.digest and loaded.digest != planned.digest:
        yield f"weights are sha256 {loaded.digest[:12]}, not {planned.digest[:12]}"


def _words(loaded: Loaded) -> Iterator[str]:
    if loaded.context is not None:
        yield f"context {loaded.context}"
    if loaded.slots is not None:
        yield f"{loaded.slots} slots"
    if loaded.total_bytes is not None:
        yield f"{_part(loaded.on_gpu_bytes or 0, loaded.total_bytes)} on GPUs"
    if loaded.digest:
        yield f"sha256 {loaded.digest[:12]}"


def _part(size_bytes: int, total_bytes: int) -> str:
    unit, name = (_GIB, "GiB") if total_bytes >= _GIB else (_MIB, "MiB")
    return f"{size_bytes / unit:.1f} of {total_bytes / unit:.1f} {name}"


CHECK = Check(
    name="loaded",
    fine="weights, context and slots are those planned, and all of it lies on GPUs",
    judge=judge,
    healthy=OLLAMA,
    applies=SAYS_WHAT_IT_HOLDS,
    examples=(
        Example(
            "a part of the model that fell back to the CPU",
            Status.CRITICAL,
            {"answers.ps.body.models.0.size_vram": 2 << 30},
        ),
        Example(
            "another context than planned",
            Status.CRITICAL,
            {"answers.ps.body.models.0.context_length": 4096},
        ),
        Example("weights of another file", Status.CRITICAL, planned={"digest": DIGEST[::-1]}),
        Example(
            "another number of slots",
            Status.CRITICAL,
            {
                "answers": {
                    "props": answer(
                        {"default_generation_settings": {"n_ctx": 8192}, "total_slots": 1}
                    )
                }
            },
            {"engine": "llamacpp", "slots": 4},
        ),
    ),
)
