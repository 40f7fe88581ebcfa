"""The engine's list of models names the planned one, with its context length where it says that."""

from __future__ import annotations

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status, answer_of
from rackwright.engines import ENGINES


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL for another model or context length; UNKNOWN for an answer that is not a list."""
    reply, status, why = answer_of(seen.get("models"))
    if reply is None:
        return planned.says("model", status, why, "see the health check")
    engine = ENGINES[planned.engine]
    models = engine.listed(reply.get("body"))
    remedy = f"restart {planned.unit}; if it stays so, look at the name in its unit file"
    if models is None:
        return planned.says("model", Status.UNKNOWN, "the answer is not a model list", remedy)
    if planned.served_model_name not in models:
        evidence = f"serves {', '.join(models) or 'nothing'}, not {planned.served_model_name}"
        return planned.says("model", Status.CRITICAL, evidence, remedy)
    length = models[planned.served_model_name]
    if not engine.lists_context:
        return planned.says("model", Status.OK, planned.served_model_name)
    if length != planned.max_model_len:
        evidence = f"context of {length} tokens, not {planned.max_model_len}"
        return planned.says("model", Status.CRITICAL, evidence, remedy)
    evidence = f"{planned.served_model_name}, context {length}"
    return planned.says("model", Status.OK, evidence)
