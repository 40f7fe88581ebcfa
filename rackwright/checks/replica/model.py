"""The engine's list of models names the planned one, with its context length where it says that."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedReplica
from rackwright.checks.replica.healthy import REPLICA
from rackwright.checks.replica.when import ANSWERS
from rackwright.checks.results import Finding, Status
from rackwright.engines import ENGINES


def judge(planned: PlannedReplica, seen: Observation) -> Finding:
    """CRITICAL for another model or context length; UNKNOWN for an answer that is not a list."""
    reply, status, why = answer_of(seen.get("models"))
    if reply is None:
        return Finding(status, why, "see the health check")
    engine = ENGINES[planned.engine]
    models = engine.listed(reply.get("body"))
    remedy = f"restart {planned.unit}; if it stays so, look at the name in its unit file"
    if models is None:
        return Finding(Status.UNKNOWN, "the answer is not a model list", remedy)
    if planned.served_model_name not in models:
        evidence = f"serves {', '.join(models) or 'nothing'}, not {planned.served_model_name}"
        return Finding(Status.CRITICAL, evidence, remedy)
    length = models[planned.served_model_name]
    if not engine.lists_context:
        return Finding(Status.OK, planned.served_model_name)
    if length != planned.max_model_len:
        evidence = f"context of {length} tokens, not {planned.max_model_len}"
        return Finding(Status.CRITICAL, evidence, remedy)
    evidence = f"{planned.served_model_name}, context {length}"
    return Finding(Status.OK, evidence)


CHECK = Check(
    name="model",
    fine=("`/v1/models` names the planned model, and its context length where the engine lists it"),
    judge=judge,
    healthy=REPLICA,
    applies=ANSWERS,
    examples=(
        Example("another model on the port", Status.CRITICAL, {"models.body.data.0.id": "mistral"}),
        Example(
            "another context length than planned",
            Status.CRITICAL,
            {"models.body.data.0.max_model_len": 4096},
        ),
    ),
)
