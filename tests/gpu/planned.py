"""What the plan says of the journey's replicas, and what a run says did not hold."""

from __future__ import annotations

from rackwright.plan import Replica, Speed
from rackwright.runner.planned import predicted
from tests.gpu.fleet import Journey
from tests.samples.deploys import Run

UNHEALTHY = ("CRITICAL", "UNKNOWN")


def unhealthy(run: Run) -> list[str]:
    rows = run.report["results"]
    bad = [row for row in rows if row["status"] in UNHEALTHY]
    return [f"{row['subject']} {row['check']}: {row['evidence']}" for row in bad]


def answering(journey: Journey) -> list[Replica]:
    return [replica for replica in journey.fleet.plan.replicas if replica.answers]


def layout(replica: Replica) -> str:
    words = f"{replica.model.name}, {replica.service.engine}, TP {replica.split.tensor}"
    words += f" PP {replica.split.pipeline}{' EP' * replica.split.expert_parallel}"
    return f"{words}, {len(replica.gpus)} x {replica.server.gpus.type}"


def planned_at(journey: Journey, replicas: list[Replica], at_once: int) -> Speed | None:
    """What the plan says of one of these replicas at that load; None where it says nothing."""
    foreseen = predicted(replicas[0], journey.fleet.settings(replicas[0].server.name))
    each = -(-at_once // len(replicas))
    speeds = foreseen.speeds if foreseen else ()
    return next((speed for speed in speeds if speed.concurrency == each), None)
