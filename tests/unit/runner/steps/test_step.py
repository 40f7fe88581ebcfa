"""A step's way: what is done on servers and at gateways, and what a fault undoes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import HostError
from rackwright.runner.steps import step as module
from rackwright.runner.steps.stages import Stage
from rackwright.runner.steps.step import Step, StepFailed, Terms, anew, as_before, as_planned
from rackwright.runner.steps.view import View

NAME = "chat-gpu1-0"
WELL, BROKEN = ("unit", "health", "identity", "completion"), ()


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

    @property
    def replica(self) -> Any:
        return SimpleNamespace(name=NAME, service=SimpleNamespace(name="chat"))

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
        return {"before": before, "listens": None}

    def listening(self, where: Any) -> FakeRank:
        self.asked_at = where
        return self

    def way_back(self) -> dict[str, Any]:
        return {"listens": {"address": "192.0.2.11", "port": 8000}}

    def key_id(self) -> str:
        return f"of {self.runs}"

    def keep(self) -> None:
        if not self.keeps:
            raise HostError("gpu1: No space left on device")
        if not self.mark.get("changed"):
            self.kept = self.runs
            self.mark["changed"] = True

    def apply(self) -> None:
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

    def observe(self, *, load: bool) -> tuple[dict[str, Any], list[CheckResult]]:
        status = Status.OK if self.works[self.runs] else Status.CRITICAL
        checks = ("unit", "health", "identity", "completion")
        return {}, [CheckResult(one, self.host.name, NAME, status, self.runs) for one in checks]

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
        self.gates = FakeGates(self.log, **gates)

    def step(self, change: Any = as_planned, **more: Any) -> Step:
        view = View(lambda name, words: self.said.append(words))
        terms = Terms("me@desk/1/ab", drain_timeout_s=more.pop("drain_timeout_s", 600))
        return Step(self.ranks, self.gates, view, terms, change, **more)  # type: ignore[arg-type]

    def fails(self, **more: Any) -> str:
        with pytest.raises(StepFailed) as failed:
            self.step(**more).run()
        return str(failed.value)


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.gevent, "sleep", lambda seconds: None)


def test_it_is_out_while_it_is_changed_and_in_once_it_is_proven() -> None:
    world = World()
    world.step().run()
    assert world.log == [
        "gpu1 preflight", "gates out", "gpu1 wait", "gates renewed", "gpu1 change", "gpu1 apply",
        "gpu1 start", "gpu1 prove", "gates entry", "gpu1 return", "gates in", "gpu1 ended",
    ]  # fmt: skip
    assert world.ranks[0].kept == "old"
    assert world.gates.wanted.alone and world.gates.wanted.why == "rollout: drained"


def test_its_requests_are_waited_for_by_gateways_and_engine() -> None:
    world = World(left=[3, 1, 0])
    world.ranks[0].in_flight = [3, 2, 1, 0]
    world.step().run()
    waited = [words for words in world.said if "in flight" in words]
    assert waited == [f"{n} request{'s' * (n > 1)} in flight" for n in (3, 2, 1)]


def test_what_does_not_end_in_time_is_left_to_the_engine() -> None:
    world = World(left=[1, 1])
    world.step(drain_timeout_s=-1).run()
    assert any("have not ended in" in words for words in world.said)


def test_all_processes_end_before_one_starts() -> None:
    world = World(ranks=2)
    world.step().run()
    done = [words for words in world.log if words.split()[1] in ("stop", "apply", "start")]
    assert done[:4] == ["gpu1 stop", "gpu2 stop", "gpu1 apply", "gpu2 apply"]


@pytest.mark.parametrize("fault", ["start", "proof"])
def test_what_fails_is_put_back_and_proven_by_the_gateways(fault: str) -> None:
    world = World()
    world.ranks[0].starts = fault != "start"
    world.ranks[0].works["new"] = fault != "proof"
    words = world.fails()
    assert words.startswith("chat-gpu1-0 runs what it ran before: what is planned failed")
    assert ("unrecognized arguments" in words) == (fault == "start")
    assert ("completion is CRITICAL" in words) == (fault == "proof")
    assert world.ranks[0].runs == "old"
    assert world.log[-4:] == ["gpu1 undo", "gpu1 restore", "gpu1 ended", "gates to be proven"]


def test_what_cannot_be_put_back_is_said_and_its_mark_stays() -> None:
    world = World()
    world.ranks[0].starts, world.ranks[0].died = False, Stage.UNDO
    words = world.fails()
    assert "could not be put back: gpu1: no answer" in words
    assert world.ranks[0].mark["changed"] and world.log[-1] == "gates to be proven"


def test_there_is_nothing_to_put_back_of_one_that_did_not_serve() -> None:
    world = World()
    world.ranks[0].works = {"old": False, "new": False}
    assert "does not work, and did not before: it is left as planned" in world.fails()
    assert world.ranks[0].kept == "" and world.ranks[0].runs == "new" and not world.ranks[0].mark


def test_one_that_did_not_serve_may_be_mended() -> None:
    world = World()
    world.ranks[0].works["old"] = False
    world.step().run()
    assert world.log[-2:] == ["gates in", "gpu1 ended"]


@pytest.mark.parametrize(
    "gates",
    [{"refuses": "gw1: chat-gpu2-0 is out"}, {"lost": True}],
    ids=["refused", "lost while it waited"],
)
def test_nothing_is_changed_without_the_turn(gates: dict[str, Any]) -> None:
    world = World(**gates)
    assert world.fails().startswith("chat-gpu1-0 was not changed: gw1: ")
    assert world.ranks[0].runs == "old" and not world.ranks[0].mark
    assert "gpu1 apply" not in world.log


def test_a_server_that_goes_silent_before_the_change_loses_nothing() -> None:
    world = World()
    world.ranks[0].died = Stage.WAIT
    assert world.fails() == "chat-gpu1-0 was not changed: gpu1: no answer"
    assert world.log[-1] == "gpu1 ended" and "gates to be proven" in world.log


def left(stage: Stage, changed: bool, owner: str = "ops@desk/9/x") -> dict[str, Any]:
    """The mark of a run that was killed there."""
    return {"owner": owner, "stage": stage, "changed": changed}


def test_what_a_killed_run_changed_is_never_kept_as_proven() -> None:
    world = World()
    rank = world.ranks[0]
    rank.runs, rank.kept, rank.mark = "new", "old", left(Stage.PROVE, changed=True)
    rank.works["new"] = False
    world.fails()
    assert rank.runs == "old" and not rank.mark
    assert rank.asked_at["port"] == 8000  # where it listens once it is put back
    assert world.log[-3:] == ["gates entry", "gpu1 ended", "gates to be proven"]


def test_what_a_killed_run_changed_stays_marked_where_it_is_not_reached_again() -> None:
    world = World(refuses="gw1: not reached")
    world.ranks[0].mark = left(Stage.START, changed=True)
    world.fails()
    assert world.ranks[0].mark["changed"]


def dead(monkeypatch: pytest.MonkeyPatch, *owners: str) -> None:
    monkeypatch.setattr("rackwright.runner.steps.marks.is_dead", lambda owner: owner in owners)


def test_a_dead_runs_step_is_gone_on_with_by_one_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under its own name: else the next to come would take that for the dead one's too."""
    dead(monkeypatch, "ops@desk/9/x")
    world = World()
    world.ranks[0].held = left(Stage.WAIT, changed=False)
    owners: list[Any] = []

    def change(ranks: Any) -> None:
        owners.append(world.ranks[0].held["owner"])

    world.step(change).run()
    assert owners == [world.gates.wanted.owner] == ["me@desk/1/ab"]


def test_two_runs_cannot_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    dead(monkeypatch)
    world = World()
    world.ranks[0].held = left(Stage.WAIT, changed=False)
    assert "ops@desk/9/x is changing chat-gpu1-0" in world.fails()
    assert world.log == []


def test_a_new_start_keeps_no_way_back_and_is_proven_as_before() -> None:
    world = World()
    world.step(anew, as_before=True).run()
    assert "gpu1 restart" in world.log and world.ranks[0].kept == ""
    assert world.log[-2:] == ["gates in", "gpu1 ended"]


def test_a_new_start_of_one_that_did_not_serve_is_proven_by_the_gateways() -> None:
    world = World()
    world.ranks[0].works["old"] = False
    world.step(anew, as_before=True).run()
    assert "gates to be proven" in world.log and "gates in" not in world.log


def test_a_new_start_that_fails_puts_nothing_back() -> None:
    world = World()

    def breaks(ranks: Any) -> None:
        world.ranks[0].works["old"] = False

    assert "was started anew and does not work as before" in world.fails(
        change=breaks, as_before=True
    )
    assert "gpu1 restore" not in world.log and world.log[-1] == "gates to be proven"


def test_what_was_never_proven_is_not_started_anew() -> None:
    world = World()
    world.ranks[0].mark = left(Stage.START, changed=True)
    assert "deploy, or roll out" in world.fails(change=anew, as_before=True)
    assert world.ranks[0].mark["changed"]


def test_a_rollback_puts_back_what_was_kept_and_keeps_what_ran() -> None:
    world = World()
    rank = world.ranks[0]
    rank.runs, rank.kept = "new", "old"
    world.step(as_before, back=world.ranks).run()
    assert (rank.runs, rank.kept) == ("old", "new")
    assert "gates to be proven" in world.log


def test_what_cannot_be_kept_is_not_changed_and_nothing_older_is_put_back() -> None:
    world = World()
    world.ranks[0].keeps = False
    assert world.fails() == "chat-gpu1-0 was not changed: gpu1: No space left on device"
    assert world.ranks[0].runs == "old" and not world.ranks[0].mark
    assert not {"gpu1 apply", "gpu1 restore"} & {*world.log}


def test_the_operator_is_told_where_no_gateway_drains_it() -> None:
    world = World(held=())
    world.step().run()
    assert any(words.startswith("no gateway drains it: none runs") for words in world.said)


def test_what_a_router_had_chosen_is_awaited_before_the_engine_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module.gevent, "sleep", slept.append)
    world = World(notices_s=8)
    world.ranks[0].in_flight = [2, 0]
    world.step().run()
    assert slept == [module.POLL_S] * 2, "one before it is asked, one for what it has"


def test_behind_a_router_nobody_waits_for_idleness_and_the_next_waits_for_the_router(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    monkeypatch.setattr(module.gevent, "sleep", slept.append)
    world = World(held=(), notices_s=8)
    world.ranks[0].in_flight = [4] * 9
    world.step().run()
    assert slept == [8]
    assert any("its service's router goes on sending" in words for words in world.said)


@pytest.mark.parametrize("marked", [[0], [1], [0, 1]], ids=str)
def test_a_dead_runs_step_is_gone_on_with_on_all_servers(
    marked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead(monkeypatch, "ops@desk/9/x", "ops@desk/8/w")
    world = World(ranks=2)
    for number in marked:
        owner = ("ops@desk/9/x", "ops@desk/8/w")[number]
        world.ranks[number].held = left(Stage.WAIT, changed=False, owner=owner)
    world.step().run()
    assert [rank.held for rank in world.ranks] == [{}, {}]


def test_gateways_are_told_of_the_key_that_runs_and_of_that_which_is_put_back() -> None:
    world = World()
    world.step().run()
    assert world.gates.key_ids == ["of new"]
    world = World()
    world.ranks[0].runs, world.ranks[0].kept = "new", "old"
    world.step(as_before, back=world.ranks).run()
    assert world.gates.key_ids == ["of old"]
