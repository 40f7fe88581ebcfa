"""What is timed as a run that changes nothing is the whole product, and nothing was changed."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from benchmarks.no_change import runs
from benchmarks.no_change.runs import CONNECT, DEPLOY, PLAN, STAGES, VERIFIED, Unfit, run
from lab.fleet import RACK
from rackwright.spec.settings import STAGES as ALL


def ends(monkeypatch: pytest.MonkeyPatch, code: int = 0, **told: list[str]) -> list[Any]:
    """A run that ends so, of one operation; with what it was started."""
    started: list[Any] = []
    operation = {"name": "Base | Packages", "success": [], "no_change": [], **told}
    said = json.dumps({"results": {"operations": [operation], "failed_hosts": []}})

    def ended(argv: Any, **options: Any) -> Any:
        started.append((argv, options["env"]["NO_CHANGE_HOSTS"]))
        return subprocess.CompletedProcess(argv, code, said, "words")

    monkeypatch.setattr(runs.subprocess, "run", ended)
    monkeypatch.setattr(runs, "_sshd_s", lambda host: 1.5)
    return started


def test_the_stages_are_all_but_verification() -> None:
    assert {*STAGES.split(","), "verify"} == set(ALL)
    assert "--data" not in VERIFIED.argv and f"stages={STAGES}" in DEPLOY.argv


def test_a_run_costs_what_its_hosts_spent_too(monkeypatch: pytest.MonkeyPatch) -> None:
    started = ends(monkeypatch, no_change=["rack1"])
    cost = run(CONNECT, RACK[:3])
    assert started == [(CONNECT.argv, "3")]
    assert cost.hosts_cpu_s == 0 and cost.seconds >= 0 and cost.own_cpu_s >= 0


def test_one_that_changed_a_host_or_failed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, success=["rack1"])
    with pytest.raises(Unfit, match=r"everything: changed Base \| Packages"):
        run(DEPLOY, RACK[:1])
    assert run(DEPLOY, RACK[:1], changes=True)
    ends(monkeypatch, code=1)
    with pytest.raises(Unfit, match="exit code 1: words"):
        run(PLAN)
