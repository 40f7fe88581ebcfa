"""The steps of a run: in order, none after one that failed, and what is said of each server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.errors import HostError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.runner.steps import carrying_out as module
from rackwright.runner.steps.carrying_out import Rollout
from rackwright.runner.steps.options import Options, asked_for
from rackwright.runner.steps.order import Pending, Way
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.step import StepFailed
from tests.samples.fleet import cluster, hosts, server, service, settings

ONE_EACH = {"tensor_parallel_size": 1, "replicas": 1}
CHAT = service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0], "gpu2": [0]}, tensor_parallel_size=1)


class World:
    """A rollout of these services on gpu1 and gpu2; ``log`` has what its steps did."""

    def __init__(self, patch: pytest.MonkeyPatch, services: dict[str, Any]) -> None:
        spec = load_fleet(hosts({"gpu1": server(11), "gpu2": server(12)}, services))
        self.plan: FleetPlan = plan(spec)
        self.log: list[str] = []
        self.lines: list[str] = []
        self.breaks: set[str] = set()
        self.pending: list[Pending] = []
        self.terms: dict[str, Any] = {}
        self.states: dict[str, Any] = {}
        fleet: Any = SimpleNamespace(plan=self.plan, spec=spec, settings=lambda name: settings())
        inventory: Any = SimpleNamespace(
            get_host=lambda name: SimpleNamespace(log=self.lines.append)
        )
        self.rollout = Rollout(fleet, inventory, lambda host: host)  # type: ignore[arg-type,return-value]
        patch.setattr(
            self.rollout, "gates", SimpleNamespace(states=lambda: self.states, learn=self.learn)
        )
        patch.setattr(self.rollout, "_rank", self.rank)
        patch.setattr(module, "Step", self.step)
        patch.setattr(module, "start", lambda ranks, gates, view: self.act("start", ranks[0].name))
        patch.setattr(module, "remove", lambda name, *rest: self.act("remove", name))
        patch.setattr(module, "pending_of", lambda *words: self.pending)
        patch.setattr(module, "apply_now", lambda host, changes: self.log.append("last"))
        patch.setattr(module, "tell", lambda text, err: self.lines.append(text))
        for name in ("gpu1", "gpu2"):
            self.rollout.add(self.work(name))

    def learn(self) -> None:
        if "learn" in self.breaks:
            raise HostError("gw1: nginx: [emerg] no")
        self.learnt = list(self.log)

    def work(self, name: str) -> Any:
        host = SimpleNamespace(name=name)
        return SimpleNamespace(
            host=host, later=["x"], leaving=[], last=[], planned=self.plan.on(name)
        )

    def rank(self, replica: Any) -> Any:
        return SimpleNamespace(
            name=replica.name,
            last_start_s=lambda: 40.0,
            way_back=lambda: {"listens": None},
            listening=lambda where: None,
            must_be_free=lambda owner: None,
        )

    def step(self, ranks: Any, gates: Any, view: Any, terms: Any, change: Any, **more: Any) -> Any:
        self.terms[ranks[0].name] = terms
        what = "back" if more else "change"
        return SimpleNamespace(run=lambda: self.act(what, ranks[0].name))

    def act(self, what: str, name: str) -> None:
        self.rollout.view.enter(name, Stage.CHANGE)
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


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    code = service(gpus={"gpu1": [1]}, served_model_name="code", tensor_parallel_size=1)
    return World(monkeypatch, {"chat": CHAT, "code": code})


def test_all_are_done_in_order_then_what_no_unit_needs_goes(world: World) -> None:
    assert world.run(FIRST, SECOND) == []
    assert world.log == ["change chat-gpu1-0", "change chat-gpu2-0", "last", "last"]


def test_none_is_touched_after_one_that_failed(world: World) -> None:
    world.breaks = {"chat-gpu1-0"}
    assert world.run(FIRST, SECOND) == [
        "chat-gpu1-0 runs what it ran before",
        "chat-gpu2-0 was not touched: chat-gpu1-0 failed before it",
    ]
    assert world.log == ["change chat-gpu1-0"]
    assert "not touched" in world.lines[-1] and "failed" in world.lines[-1]


def test_a_fault_of_ours_stops_it_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*words: Any, **more: Any) -> Any:
        raise KeyError("ours")

    monkeypatch.setattr(module, "Step", broken)
    assert len(world.run(FIRST, SECOND)) == 2
    assert world.log == []


def test_others_in_the_same_run_are_not_left_half_done(world: World) -> None:
    world.breaks = {"chat-gpu1-0"}
    world.run(FIRST, ("code-gpu1-0", Way.CHANGE), SECOND)
    assert set(world.log) == {"change chat-gpu1-0", "change code-gpu1-0"}


def test_who_has_another_to_go_to_waits_for_nobody(world: World) -> None:
    world.run(FIRST)
    terms = world.terms["chat-gpu1-0"]
    assert (terms.alone, terms.hold_s) == (True, 0)


def test_the_only_replica_is_told_of_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, {"chat": service(tensor_parallel_size=2)})
    world.run(FIRST)
    assert world.terms["chat-gpu1-0"].hold_s == 90
    assert any("about 40 s" in words for words in world.lines)


def alone_with_spare(patch: pytest.MonkeyPatch) -> World:
    return World(patch, {"code": service(**ONE_EACH)})


ALL = ((BESIDE, Way.START), ("code-gpu1-0", Way.CHANGE), (BESIDE, Way.REMOVE))


def test_with_one_beside_it_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    world = alone_with_spare(monkeypatch)
    assert world.run(*ALL) == []
    assert world.log[:3] == [f"start {BESIDE}", "change code-gpu1-0", f"remove {BESIDE}"]
    assert world.terms["code-gpu1-0"].hold_s == 0


@pytest.mark.parametrize(
    ("breaks", "log"),
    [
        (BESIDE, [f"start {BESIDE}", f"remove {BESIDE}"]),
        ("code-gpu1-0", [f"start {BESIDE}", "change code-gpu1-0", f"remove {BESIDE}"]),
    ],
)
def test_what_stood_in_goes_also_after_a_failure(
    breaks: str, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = alone_with_spare(monkeypatch)
    world.breaks = {breaks}
    assert world.run(*ALL)
    assert world.log == log


def test_what_a_dead_run_left_beside_is_drained_before_it_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = alone_with_spare(monkeypatch)
    world.rollout._works["gpu1"].leaving.append(BESIDE)
    world.run(*ALL)
    assert world.log[:2] == [f"remove {BESIDE}", f"start {BESIDE}"]


def failing(count: int) -> dict[str, Any]:
    replicas = {
        "chat-gpu1-0": {"state": "in", "requests": 10 + count, "failures": count},
        "chat-gpu2-0": {"state": "in", "requests": 10, "failures": 0},
    }
    return {"gw1": {"services": {"chat": {"replicas": replicas}}}}


def watched(world: World, monkeypatch: pytest.MonkeyPatch, failures: list[int]) -> list[str]:
    """A rollout with a canary, of which gateways count so many failures, look by look."""
    looks = iter(failures)
    last = failures[-1]
    monkeypatch.setattr(
        world.rollout,
        "gates",
        SimpleNamespace(states=lambda: failing(next(looks, last)), learn=world.learn),
    )
    monkeypatch.setattr(module.gevent, "sleep", lambda seconds: None)
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(world.rollout, "_watched", False)
    with asked_for(Options(canary=True)):
        return world.run(FIRST, SECOND)


def test_a_canary_that_does_well_is_followed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert watched(world, monkeypatch, [0]) == []
    assert world.log[:2] == ["change chat-gpu1-0", "change chat-gpu2-0"]


def test_a_canary_that_is_worse_is_put_back_and_nothing_else_is_touched(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = watched(world, monkeypatch, [0, 0, 0, 5])
    assert "was worse than the others and runs what it ran before: 5 of its 5 requests" in first
    assert second.startswith("chat-gpu2-0 was not touched")
    assert world.log == ["change chat-gpu1-0", "back chat-gpu1-0"]


def test_a_canary_on_two_servers_is_none_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": 2}
    long = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **sizes)
    spec = load_fleet(hosts(cluster(2), {"chat": long}))
    fleet: Any = SimpleNamespace(plan=plan(spec), spec=spec, settings=lambda name: settings())
    own: Any = SimpleNamespace(get_host=lambda name: SimpleNamespace(log=lambda words: None))
    rollout = Rollout(fleet, own, own)
    monkeypatch.setattr(rollout, "gates", SimpleNamespace(states=dict))
    monkeypatch.setattr(module.gevent, "sleep", lambda seconds: None)
    now = iter(range(0, 10_000, 20))
    monkeypatch.setattr(module.time, "monotonic", lambda: float(next(now)))
    beside: list[Any] = []
    monkeypatch.setattr(module.canary, "fault", lambda *words: beside.append(words[3]) or "")
    one = Pending("chat-gpu1-0", "chat", Way.CHANGE, ("gpu1", "gpu2"))
    rollout._pending = [one]
    rollout._watch(one, ())
    assert beside and not any(beside)


def test_gateways_know_the_key_of_the_plan_before_the_first_step(world: World) -> None:
    world.run(FIRST, SECOND)
    assert world.learnt == [] and world.log[0] == "change chat-gpu1-0"


def test_where_a_gateway_does_not_learn_it_nothing_is_touched(world: World) -> None:
    world.breaks.add("learn")
    with pytest.raises(HostError, match="gw1"):
        world.run(FIRST, SECOND)
    assert world.log == []
