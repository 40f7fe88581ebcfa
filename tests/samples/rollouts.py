"""A rollout of which the steps only note that they are taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.runner.steps import canary_watch, ending, rollout, taking
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.rollout import Rollout
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.terms import StepFailed
from tests.samples.fleet import hosts, server, service, settings

ONE_EACH: dict[str, Any] = {"tensor_parallel_size": 1, "replicas": 1}
CHAT = service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0], "gpu2": [0]}, tensor_parallel_size=1)


class Rolled:
    """A rollout of these services on gpu1 and gpu2; ``log`` has what its steps did."""

    def __init__(self, patch: pytest.MonkeyPatch, services: dict[str, Any]) -> None:
        spec = load_fleet(hosts({"gpu1": server(11), "gpu2": server(12)}, services))
        self.plan: FleetPlan = plan(spec)
        self.log: list[str] = []
        self.lines: list[str] = []
        self.breaks: set[str] = set()
        self.pending: list[Pending] = []
        self.terms: dict[str, Any] = {}
        self.former: Sequence[Any] = ()
        self.states: dict[str, Any] = {}
        self.place: Callable[[Pending], Pending] = lambda one: one
        self.seeds: list[str] = []
        self.started: dict[str, set[str]] = {}
        fleet: Any = SimpleNamespace(
            plan=self.plan, spec=spec, settings=lambda name: settings(), started=self.started
        )
        inventory: Any = SimpleNamespace(
            get_host=lambda name: SimpleNamespace(log=self.lines.append)
        )
        self.rollout = Rollout(fleet, inventory, lambda host: host)  # type: ignore[arg-type,return-value]
        self.taking = self.rollout._taking
        self.gates(lambda: self.states)
        patch.setattr(self.taking, "_rank", self.rank)
        patch.setattr(taking, "Step", self.step)
        patch.setattr(canary_watch, "Step", self.step)
        patch.setattr(taking, "start", lambda ranks, gates, view: self.act("start", ranks[0].name))
        patch.setattr(taking, "remove", lambda name, *rest: self.act("remove", name))
        patch.setattr(rollout, "pending_of", lambda *words: self.pending)
        patch.setattr(rollout, "with_places", self.placed)
        patch.setattr(taking, "states_at_gateways", lambda *_: {})
        patch.setattr(ending, "apply_now", lambda host, changes: self.log.append("last"))
        patch.setattr(ending, "tell", lambda text, err: self.lines.append(text))
        for name in ("gpu1", "gpu2"):
            self.rollout.add(self.work(name))

    def placed(self, pending: Sequence[Pending], *_: Any) -> list[Pending]:
        return [self.place(one) for one in pending]

    def gates(self, states: Any) -> None:
        """Gateways that say this of replicas."""
        gates: Any = SimpleNamespace(states=states, learn=self.learn)
        self.rollout.gates = self.taking.gates = gates

    def learn(self) -> None:
        if "learn" in self.breaks:
            raise HostError("gw1: nginx: [emerg] no")
        self.learnt = list(self.log)

    def work(self, name: str) -> Any:
        host = SimpleNamespace(name=name)
        return SimpleNamespace(
            host=host,
            settings=settings(),
            later=["x"],
            leaving=[],
            last=[],
            planned=self.plan.on(name),
        )

    def rank(self, replica: Any) -> Any:
        return SimpleNamespace(
            name=replica.name,
            replica=replica,
            host=SimpleNamespace(name=replica.server.name),
            keep_seed=lambda: self.seeds.append(f"{replica.name} after {self.log[-1]}"),
            settings=settings(),
            last_start_s=lambda: 40.0,
            way_back=lambda: {"listens": None},
            listening=lambda where: None,
            must_be_free=lambda owner: None,
            stop=lambda: self.log.append(f"stop {replica.name}"),
        )

    def step(self, ranks: Any, gates: Any, view: Any, terms: Any, change: Any, **more: Any) -> Any:
        self.terms |= more.get("terms_of") or {ranks[0].name: terms}
        what = "back" if "back" in more else "change"
        self.former = more.get("former", ())
        names = " and ".join(rank.name for rank in ranks)
        return SimpleNamespace(run=lambda: self.act(what, names))

    def act(self, what: str, name: str) -> None:
        for one in name.split(" and "):
            self.rollout.view.enter(one, Stage.CHANGE)
        self.log.append(f"{what} {name}")
        if name in self.breaks and what != "remove":
            raise StepFailed(f"{name} runs what it ran before", "why")

    def run(self, *pending: tuple[str, Way]) -> list[str]:
        """The faults of gpu1 and gpu2 after all of these."""
        self.pending = [self.one(name, way) for name, way in pending]
        faults = [self.rollout.carry_out(SimpleNamespace(name=n)) for n in ("gpu1", "gpu2")]  # type: ignore[arg-type]
        return [words for one in faults for words in one]

    def one(self, name: str, way: Way) -> Pending:
        service, host, _ = name.removesuffix("-beside").split("-")
        return Pending(name, service, way, (host,))


FIRST, SECOND = ("chat-gpu1-0", Way.CHANGE), ("chat-gpu2-0", Way.CHANGE)
BESIDE = "code-gpu1-0-beside"


def alone_with_spare(patch: pytest.MonkeyPatch) -> Rolled:
    return Rolled(patch, {"code": service(**ONE_EACH)})


ALL = ((BESIDE, Way.START), ("code-gpu1-0", Way.CHANGE), (BESIDE, Way.REMOVE))
