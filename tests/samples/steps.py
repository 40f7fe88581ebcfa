"""A replica, its servers and its gateways as a step has them: each notes what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import HostError
from rackwright.runner.steps.changing import as_planned
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.step import Step
from rackwright.runner.steps.terms import StepFailed, Terms
from rackwright.runner.steps.view import View

NAME = "chat-gpu1-0"


@dataclass
class FakeRank:
    """A process on a server that notes what is asked of it. ``runs`` is what it completes with."""

    log: list[str]
    host: Any = field(default_factory=lambda: SimpleNamespace(name="gpu1"))
    mark: dict[str, Any] = field(default_factory=dict)
    runs: str = "old"
    kept: str = ""
    works: dict[str, bool] = field(default_factory=lambda: {"old": True, "new": True})
    in_flight: list[int] = field(default_factory=list)
    starts: bool = True
    needs: tuple[str, ...] = ("/opt/x/.complete",)
    held: dict[str, Any] = field(default_factory=dict)
    died: str = ""
    keeps: bool = True
    asked_at: Any = None
    there: bool = True
    name: str = NAME

    @property
    def replica(self) -> Any:
        return SimpleNamespace(
            name=self.name, service=SimpleNamespace(name=self.name.split("-")[0])
        )

    def note(self, stage: Stage, owner: str, needs: Any = (), heir_of: str = "") -> dict[str, Any]:
        if self.held and self.held["owner"] not in (owner, heir_of):
            return {"held": self.held, "left_s": 30.0}
        self.held = {"owner": owner}
        if self.mark.get("stage") != stage:
            self.log.append(f"{self.host.name} {stage}")
        before = dict(self.mark)
        self.mark = {**self.mark, "owner": owner, "stage": stage}
        if self.died == stage:
            raise HostError("gpu1: no answer")
        return {"before": before, "listens": None, "there": self.there}

    def listening(self, where: Any) -> FakeRank:
        self.asked_at = where
        return self

    def way_back(self) -> dict[str, Any] | None:
        return {"listens": {"address": "192.0.2.11", "port": 8000}} if self.kept else None

    def key_id(self) -> str:
        return f"of {self.runs}"

    def keep(self) -> None:
        if not self.there:
            self.mark["changed"] = True
            return
        if not self.keeps:
            raise HostError("gpu1: No space left on device")
        if not self.mark.get("changed"):
            self.kept = self.runs
            self.mark["changed"] = True

    def apply(self) -> None:
        self.there = True
        self.log.append(f"{self.host.name} apply")
        self.runs = "new"

    def stop(self) -> None:
        self.log.append(f"{self.host.name} stop")

    def restart(self) -> None:
        self.log.append(f"{self.host.name} restart")

    def restore(self, *, swap: bool = False) -> None:
        self.log.append(f"{self.host.name} restore")
        self.runs, self.kept = self.kept, self.runs if swap else self.kept

    def wait(self) -> None:
        if self.runs == "new" and not self.starts:
            raise HostError("unit did not start: unrecognized arguments")

    def running(self) -> int | None:
        return self.in_flight.pop(0) if self.in_flight else None

    def take_away(self) -> None:
        self.log.append(f"{self.host.name} taken away")
        self.there = False

    def error_in_log(self) -> str:
        return "ValueError: no" if self.runs == "new" else ""

    def observe(self, *, load: bool) -> tuple[dict[str, Any], list[CheckResult]]:
        status = Status.OK if self.there and self.works[self.runs] else Status.CRITICAL
        checks = ("unit", "health", "identity", "completion")
        return {}, [
            CheckResult(one, self.host.name, self.name, status, self.runs) for one in checks
        ]

    def end(self, owner: str) -> None:
        if self.mark.get("owner") == owner:
            self.mark, self.held = {}, {}
            self.log.append(f"{self.host.name} ended")


@dataclass
class FakeTurn:
    log: list[str]
    left: list[int]
    lost: bool = False
    held: tuple[str, ...] = ("gw1",)

    def in_flight(self) -> int:
        return self.left.pop(0) if self.left else 0

    def renew(self) -> None:
        if self.lost:
            raise HostError("gw1: the turn is lost")
        self.log.append("gates renewed")

    def give_back(self, *, prove: bool = False) -> dict[str, str]:
        self.log.append("gates to be proven" if prove else "gates in")
        self.held = ()
        return {}


@dataclass
class FakeGates:
    log: list[str]
    left: list[int] = field(default_factory=list)
    lost: bool = False
    refuses: str = ""
    wanted: Any = None
    held: tuple[str, ...] = ("gw1",)
    notices_s: int = 0
    key_ids: list[str] = field(default_factory=list)

    def router_notices_s(self, service: str) -> int:
        return self.notices_s

    @contextmanager
    def turn(
        self, wanted: Any, said: Callable[[str], None], patience_s: float
    ) -> Iterator[FakeTurn]:
        if self.refuses:
            raise HostError(self.refuses)
        self.wanted = wanted
        turn = FakeTurn(self.log, self.left, self.lost, self.held)
        self.log.append("gates out")
        try:
            yield turn
        finally:
            if turn.held:
                turn.give_back(prove=True)

    def put(self, replica: Any, before: dict[str, Any], key_id: str) -> None:
        self.key_ids.append(key_id)
        self.log.append("gates entry")
        before["gw1"] = {"port": 8000}

    def put_back(self, service: str, replica: str, entries: dict[str, Any]) -> None:
        self.log.append("gates entry back")


class World:
    """A replica with this many processes, and its gateways."""

    def __init__(self, ranks: int = 1, **gates: Any) -> None:
        self.log: list[str] = []
        self.said: list[str] = []
        hosts = [SimpleNamespace(name=f"gpu{n}") for n in range(1, ranks + 1)]
        self.ranks = [FakeRank(self.log, host) for host in hosts]
        self.former: list[FakeRank] = []
        self.gates = FakeGates(self.log, **gates)

    def step(self, change: Any = as_planned, **more: Any) -> Step:
        view = View(lambda name, words: self.said.append(words))
        terms = Terms("me@desk/1/ab", drain_timeout_s=more.pop("drain_timeout_s", 600))
        own: dict[str, Any] = {"former": self.former, "take_away": FakeRank.take_away, **more}
        return Step(self.ranks, self.gates, view, terms, change, **own)  # type: ignore[arg-type]

    def fails(self, **more: Any) -> str:
        with pytest.raises(StepFailed) as failed:
            self.step(**more).run()
        return str(failed.value)


def left(stage: Stage, changed: bool, owner: str = "ops@desk/9/x") -> dict[str, Any]:
    """The mark of a run that was killed there."""
    return {"owner": owner, "stage": stage, "changed": changed}


def dead(monkeypatch: pytest.MonkeyPatch, *owners: str) -> None:
    """These runs have ended, and no other."""
    monkeypatch.setattr("rackwright.runner.steps.marks.is_dead", lambda owner: owner in owners)
