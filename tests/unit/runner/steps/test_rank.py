"""One process of a replica, as a step sees it."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.steps import proof
from rackwright.runner.steps import rank as module
from rackwright.runner.steps.rank import Rank
from rackwright.spec.accepted import AcceptedFinding
from tests.samples.fleet import hosts, settings


def test_it_is_judged_with_what_the_operator_accepts(monkeypatch: pytest.MonkeyPatch) -> None:
    replica = plan(load_fleet(hosts())).replicas[0]
    bad = CheckResult("throughput", "gpu1", replica.name, Status.CRITICAL, "half of its plan")
    seen: dict[str, Any] = {"replicas": {replica.name: {}}}
    monkeypatch.setattr(module, "observe_replica", lambda *asked: seen)
    monkeypatch.setattr(module.checks, "judge", lambda wanted, observed: [bad])
    finding = AcceptedFinding(
        host="gpu1", check="throughput", until=date.max, why="one fan is gone"
    )
    host: Any = SimpleNamespace(name="gpu1")
    for accepted, faults in (({"accepted[0]": finding}, 0), ({}, 1)):
        rank = Rank(host, replica, settings(), (), accepted)
        assert len(proof.faults((), rank.observe(load=True)[1])) == faults
