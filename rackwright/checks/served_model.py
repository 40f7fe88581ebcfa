"""/v1/models names the planned model with the planned context length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.checks.results import CheckResult, Observation, PlannedReplica, Status, answer_of


def models_of(body: Any) -> dict[str, Any] | None:
    """Served name to ``max_model_len`` from a /v1/models answer; None when it is not one."""
    rows = body.get("data") if isinstance(body, Mapping) else None
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        return None
    return {str(row.get("id")): row.get("max_model_len") for row in rows}


def check(planned: PlannedReplica, seen: Observation) -> CheckResult:
    """CRITICAL for another model or context length; UNKNOWN for an answer that is not a list."""
    reply, status, why = answer_of(seen.get("models"))
    if reply is None:
        return planned.says("model", status, why, "see the health check")
    models = models_of(reply.get("body"))
    remedy = f"restart {planned.unit}; if it stays so, look at its --served-model-name"
    if models is None:
        return planned.says("model", Status.UNKNOWN, "the answer is not a model list", remedy)
    if planned.served_model_name not in models:
        evidence = f"serves {', '.join(models) or 'nothing'}, not {planned.served_model_name}"
        return planned.says("model", Status.CRITICAL, evidence, remedy)
    length = models[planned.served_model_name]
    if length != planned.max_model_len:
        evidence = f"context of {length} tokens, not {planned.max_model_len}"
        return planned.says("model", Status.CRITICAL, evidence, remedy)
    evidence = f"{planned.served_model_name}, context {length}"
    return planned.says("model", Status.OK, evidence)
