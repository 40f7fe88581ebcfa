"""Replicas interrupted one by one or together: a gateway that keeps turns, scripted processes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.errors import HostError, RefusedError
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote import gateway_state as on_the_gateway
from rackwright.runner import gateway_leases, gateway_state
from rackwright.runner.fleet import FleetRun
from rackwright.runner.interrupting import Interrupting
from rackwright.runner.steps.terms import StepFailed
from tests.samples.fleet import lab_hosts
from tests.samples.gateway_socket import listening, replica, state
from tests.samples.gateway_turns import TurnKeeper

BOTH = ("chat-gpu1-0", "chat-gpu2-0")


class Process:
    """A replica's process: says what is done to it, and with which gateways' states meanwhile."""

    def __init__(self, world: World, name: str, host: str) -> None:
        self.world, self.replica = world, SimpleNamespace(name=name, service=world.service)
        self.host = SimpleNamespace(name=host)
        self.unit = SimpleNamespace(key=f"rackwright-{name}.service")
        self.after: list[CheckResult] = []
        self.settings = self.needs = None

    def note(self, stage: str, owner: str, needs: Any = ()) -> dict[str, Any]:
        self.world.stages.append((self.replica.name, str(stage)))
        return {"before": {}, "listens": None, "there": True}

    def listening(self, where: Mapping[str, Any] | None) -> Process:
        return self

    def running(self) -> int:
        return 0

    def end(self, owner: str) -> None:
        self.world.did.append(f"{self.replica.name} ended")

    def stop(self) -> None:
        self._does("stopped")

    def restart(self) -> None:
        self._does("started")

    def wait(self) -> None:
        if self.replica.name in self.world.broken:
            raise HostError("it did not start")
        self._does("ready")

    def _does(self, what: str) -> None:
        self.world.did.append(f"{self.replica.name} {what}: {self.world.state(self.replica.name)}")

    def observe(self, *, load: bool) -> tuple[Mapping[str, Any], list[CheckResult]]:
        self._does("asked")
        name = self.replica.name
        return {}, [CheckResult("health", self.host.name, name, self.world.health, "as scripted")]


class World:
    """The lab's fleet behind one gateway."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        spec = load_fleet(lab_hosts())
        self.fleet = FleetRun(spec, plan(spec))
        self.service = self.fleet.plan.replicas[0].service
        self.gateway = TurnKeeper(folder)
        self.gateway.state = state(
            chat_gpu1_0=replica(in_flight=0), chat_gpu2_0=replica(in_flight=0)
        )
        self.did: list[str] = []
        self.said: list[str] = []
        self.stages: list[tuple[str, str]] = []
        self.broken: set[str] = set()
        self.health = Status.OK
        monkeypatch.setattr(on_the_gateway, "SOCKET", str(self.gateway.socket))
        monkeypatch.setattr(gateway_state, "call", self._call)
        monkeypatch.setattr(gateway_leases, "reach", lambda _, name: SimpleNamespace(name=name))
        monkeypatch.setattr(
            Interrupting, "_rank", lambda _, one: Process(self, one.name, one.server.name)
        )
        self.interrupting = Interrupting(
            self.fleet,
            None,
            "reboot",
            lambda name, words: self.said.append(f"{name}: {words}"),  # type: ignore[arg-type]
        )

    def _call(self, host: Any, script: str, request: dict[str, Any], **_: Any) -> Any:
        return on_the_gateway.main(json.loads(json.dumps(request)))

    def state(self, name: str) -> str:
        return str(self.gateway.replicas[name]["state"])

    def states(self) -> list[str]:
        return [self.state(name) for name in BOTH]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    here = World(tmp_path, monkeypatch)
    with ExitStack() as listeners:
        listeners.enter_context(listening(here.gateway))
        yield here


def test_a_restart_is_out_of_traffic_and_proven(world: World) -> None:
    world.interrupting.restart("chat-gpu1-0")
    assert world.did == [
        "chat-gpu1-0 asked: drained",
        "chat-gpu1-0 started: drained",
        "chat-gpu1-0 ready: drained",
        "chat-gpu1-0 asked: drained",
        "chat-gpu1-0 ended",
    ]
    assert world.states() == ["in", "in"]
    alone = [
        body["turn"] for verb, _, body in world.gateway.asked if verb == "PUT" and body["turn"]
    ]
    assert {(one["alone"], one["hold_s"]) for one in alone} >= {(True, 0)}


def test_a_replica_that_is_not_as_it_was_waits_for_a_completion(world: World) -> None:
    world.broken.add("chat-gpu1-0")
    with pytest.raises(StepFailed, match="it did not start"):
        world.interrupting.restart("chat-gpu1-0")
    assert world.states() == ["ejected", "in"]


def test_one_that_did_not_serve_before_is_not_given_requests_unproven(world: World) -> None:
    world.health = Status.CRITICAL
    world.interrupting.restart("chat-gpu1-0")
    assert world.states() == ["ejected", "in"]


def test_the_only_replica_is_refused_and_forced_its_requests_wait(world: World) -> None:
    world.gateway.replicas["chat-gpu2-0"]["state"] = "ejected"
    with pytest.raises(
        RefusedError, match=r"chat would have no replica in at gw1 \(chat-gpu2-0 is ejected\)"
    ):
        world.interrupting.permit(["chat-gpu1-0"], force=False)
    world.interrupting.permit(["chat-gpu1-0"], force=True)
    assert world.said[0].endswith("its requests wait up to 600 s")
    world.interrupting.restart("chat-gpu1-0")
    asked = [
        body["turn"] for verb, _, body in world.gateway.asked if verb == "PUT" and body["turn"]
    ]
    assert (asked[0]["alone"], asked[0]["hold_s"]) == (False, 600)


def test_all_are_drained_before_any_is_stopped_and_proven_after(world: World) -> None:
    """As if both were of gpu1, one with a process on gpu2; what runs on gpu1 the reboot stops."""
    world.gateway.state["services"]["chat"]["replicas"]["chat-gpu3-0"] = replica()
    world.interrupting.around("gpu1", BOTH, lambda: world.did.append(f"reboot: {world.states()}"))
    assert [each for each in world.did if "asked" not in each] == [
        "chat-gpu2-0 stopped: drained",
        "reboot: ['drained', 'drained']",
        "chat-gpu2-0 started: drained",
        "chat-gpu2-0 ready: drained",
        "chat-gpu2-0 ended",
        "chat-gpu1-0 ready: drained",
        "chat-gpu1-0 ended",
    ]
    assert world.states() == ["in", "in"]


def test_nothing_is_interrupted_where_one_cannot_be_drained(world: World) -> None:
    turn = {"owner": "rollout 1", "until": 1790009999, "hold_s": 0}
    world.gateway.state["services"]["chat"]["replicas"]["chat-gpu3-0"] = replica()
    world.gateway.replicas["chat-gpu2-0"] |= {"turn": turn, "state": "drained"}
    with pytest.raises(StepFailed, match="turn of rollout 1"):
        world.interrupting.around("gpu1", BOTH, lambda: world.did.append("reboot"))
    assert not [each for each in world.did if "stopped" in each or "reboot" in each]
    assert world.states() == ["in", "drained"]


def test_what_fails_between_says_so_and_what_ran_elsewhere_is_started_again(world: World) -> None:
    world.gateway.state["services"]["chat"]["replicas"]["chat-gpu3-0"] = replica()

    def fail() -> None:
        raise HostError("gpu1 did not come back")

    with pytest.raises(StepFailed, match=r"^gpu1 did not come back$"):
        world.interrupting.around("gpu1", BOTH, fail)
    assert [each for each in world.did if "st" in each] == [
        "chat-gpu2-0 stopped: drained",
        "chat-gpu2-0 started: drained",
    ]
    assert world.states() == ["ejected", "ejected"]


def test_without_replicas_no_gateway_is_asked(world: World) -> None:
    world.interrupting.around("gpu1", (), lambda: world.did.append("reboot"))
    assert world.did == ["reboot"] and not world.gateway.asked
