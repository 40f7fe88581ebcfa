"""The gateway names the service's model, over TLS."""

from __future__ import annotations

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation, answer_of
from rackwright.checks.planned import PlannedService
from rackwright.checks.results import Finding, Status
from rackwright.checks.service.asked import LOOK, asked, remedy
from rackwright.checks.service.healthy import SERVICE
from rackwright.engines import ENGINES


def judge(planned: PlannedService, seen: Observation) -> Finding:
    """CRITICAL unless /v1/models over TLS names the service's model."""
    observed = asked(planned, seen).get("models")
    reply, status, why = answer_of(observed)
    if reply is None:
        return Finding(status, why, remedy(observed))
    models = ENGINES[planned.engine].listed(reply.get("body"))
    if models is None:
        return Finding(Status.UNKNOWN, "the answer is not a model list", LOOK)
    if planned.served_model_name not in models:
        evidence = f"serves {', '.join(models) or 'nothing'}, not {planned.served_model_name}"
        return Finding(Status.CRITICAL, evidence, LOOK)
    evidence = f"{planned.served_model_name} at https://{planned.server_name}"
    return Finding(Status.OK, evidence)


CHECK = Check(
    name="gateway model",
    fine="`/v1/models` over TLS names the model",
    judge=judge,
    healthy=SERVICE,
    examples=(
        Example(
            "another model behind the gateway",
            Status.CRITICAL,
            {"services.chat.models.body.data.0.id": "mistral"},
        ),
    ),
)
