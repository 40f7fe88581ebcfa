"""What a client of the gateway gets: the service over TLS, and nothing that is not meant for it."""

from __future__ import annotations

from collections import Counter

from rackwright.checks.completion import tokens_of
from rackwright.checks.results import CheckResult, Observation, PlannedService, Status, answer_of
from rackwright.engines import ENGINES

LOOK = "tail /var/log/nginx/rackwright.log and error.log on the gateway"


def _service(planned: PlannedService, seen: Observation) -> Observation:
    services = seen.get("services") or {}
    return services.get(planned.name) or {}


def check_closed_paths(planned: PlannedService, seen: Observation) -> CheckResult:
    """CRITICAL when a path of the engine that is not OpenAI's gets through (/metrics here)."""
    reply = seen.get("closed_path") or {}
    if not isinstance(reply.get("status"), int):
        evidence = str(reply.get("error", "was not observed"))
        return planned.says("closed paths", Status.UNKNOWN, evidence, LOOK)
    if reply["status"] != 404:
        evidence = f"GET /metrics answers {reply['status']} through the gateway"
        return planned.says("closed paths", Status.CRITICAL, evidence, "run the gateway stage")
    return planned.says("closed paths", Status.OK, "GET /metrics is refused with 404")


def check_models(planned: PlannedService, seen: Observation) -> CheckResult:
    """CRITICAL unless /v1/models over TLS names the service's model."""
    reply, status, why = answer_of(_service(planned, seen).get("models"))
    if reply is None:
        return planned.says("gateway model", status, why, LOOK)
    models = ENGINES[planned.engine].listed(reply.get("body"))
    if models is None:
        return planned.says("gateway model", Status.UNKNOWN, "the answer is not a model list", LOOK)
    if planned.served_model_name not in models:
        evidence = f"serves {', '.join(models) or 'nothing'}, not {planned.served_model_name}"
        return planned.says("gateway model", Status.CRITICAL, evidence, LOOK)
    evidence = f"{planned.served_model_name} at https://{planned.server_name}"
    return planned.says("gateway model", Status.OK, evidence)


def check_completions(planned: PlannedService, seen: Observation) -> CheckResult:
    """CRITICAL when a completion fails; WARN when a planned replica answered none of them."""
    replies = _service(planned, seen).get("completions") or []
    answered: Counter[str] = Counter()
    for observed in replies:
        reply, status, why = answer_of(observed)
        if reply is None:
            return planned.says("gateway completion", status, why, LOOK)
        try:
            tokens_of(reply.get("body"), planned.served_model_name)
        except ValueError as wrong:
            return planned.says("gateway completion", Status.CRITICAL, str(wrong), LOOK)
        answered[str(reply.get("replica"))] += 1
    if not replies:
        return planned.says("gateway completion", Status.UNKNOWN, "was not observed", LOOK)
    by = ", ".join(f"{name}: {count}" for name, count in sorted(answered.items()))
    if silent := [name for name in planned.replicas if name not in answered]:
        evidence = f"{', '.join(silent)} answered none of {len(replies)} ({by})"
        return planned.says("gateway completion", Status.WARN, evidence, LOOK)
    return planned.says("gateway completion", Status.OK, f"{len(replies)} answered ({by})")
