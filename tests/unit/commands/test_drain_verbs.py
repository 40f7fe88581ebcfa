"""drain and undrain, run as an operator runs them, on stand-ins for gateways that keep turns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rackwright.errors import HostError
from rackwright.runner import drains, idle
from tests.samples.gateway_socket import listening, replica, state
from tests.samples.gateway_turns import TurnKeeper
from tests.samples.gateway_verbs import Door, Verbs, verbs_here


class Fleet(NamedTuple):
    """Two gateways, stood in for, and the verbs that ask them."""

    verbs: Verbs
    gateways: dict[str, TurnKeeper]

    def states(self, name: str) -> list[str]:
        return [self.of(gateway, name)["state"] for gateway in self.gateways]

    def of(self, gateway: str, name: str) -> dict[str, object]:
        found: dict[str, object] = self.gateways[gateway].replicas[name]
        return found


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    gateways = {name: TurnKeeper(tmp_path / name) for name in ("gw1", "gw2")}
    doors = {name: Door(gateway.socket, gateway.keys) for name, gateway in gateways.items()}
    with ExitStack() as listeners:
        for gateway in gateways.values():
            gateway.folder.mkdir()
            gateway.state = state(chat_gpu1_0=replica(), chat_gpu2_0=replica())
            listeners.enter_context(listening(gateway))
        yield Fleet(verbs_here(monkeypatch, tmp_path, doors), gateways)


def test_a_server_s_replicas_are_drained_at_all_gateways_and_stay_so(fleet: Fleet) -> None:
    done = fleet.verbs.run("drain", "gpu2", "--why", "a new disk")
    line = "chat-gpu2-0 is drained (a new disk), weight 1, 2 in flight"
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [f"gw1: {line}", f"gw2: {line}"]
    assert all(one.replicas["chat-gpu2-0"]["turn"] is None for one in fleet.gateways.values())
    for gateway in fleet.gateways.values():
        gateway.pass_s(3600)
    assert fleet.states("chat-gpu2-0") == ["drained"] * 2
    done = fleet.verbs.run("undrain", "gpu2")
    assert done.stdout.splitlines() == [
        f"{name}: chat-gpu2-0 is in, weight 1, 2 in flight" for name in ("gw1", "gw2")
    ]


def test_the_only_one_that_is_in_stays_unless_it_is_forced(fleet: Fleet) -> None:
    assert fleet.verbs.run("drain", "chat-gpu1-0").exit_code == 0
    refused = fleet.verbs.run("drain", "chat-gpu2-0")
    assert refused.exit_code == 67 and refused.stdout == ""
    for name in ("gw1", "gw2"):
        words = f"chat would have no replica in at {name} (chat-gpu1-0 is drained)"
        assert words in refused.stderr
    assert "--force does it all the same" in refused.stderr
    assert fleet.states("chat-gpu2-0") == ["in"] * 2
    assert fleet.verbs.run("drain", "chat-gpu2-0", "--force").exit_code == 0
    assert fleet.states("chat-gpu2-0") == ["drained"] * 2


def test_behind_a_router_its_own_replicas_are_one_another_s_stay(fleet: Fleet) -> None:
    """The router is in all the while, and takes nobody's place."""
    for gateway in fleet.gateways.values():
        replicas = gateway.state["services"]["chat"]["replicas"]
        for one in replicas.values():
            one["router"] = "router-chat"
        replicas["router-chat"] = replica(router=None)
    assert fleet.verbs.run("drain", "chat-gpu1-0").exit_code == 0
    refused = fleet.verbs.run("drain", "chat-gpu2-0")
    assert refused.exit_code == 67
    assert "chat would have no replica in at gw1 (chat-gpu1-0 is drained)" in refused.stderr
    status = fleet.verbs.run("gateway", "status").stdout
    assert re.search(r"^gw1 +chat +1 of 2 ", status, re.M)
    assert re.search(r"^gw1 +router-chat +in ", status, re.M)


def test_it_cannot_meet_a_rollout(fleet: Fleet) -> None:
    turn = {"owner": "rollout 1", "until": 1790009999, "hold_s": 0}
    held = fleet.gateways["gw2"].replicas["chat-gpu1-0"]
    held |= {"turn": turn, "state": "drained", "why": "rollout: starting"}
    refused = fleet.verbs.run("drain", "chat-gpu2-0", "--force")
    assert refused.exit_code == 0  # an operator who insists
    assert fleet.verbs.run("undrain", "chat-gpu2-0").exit_code == 0
    refused = fleet.verbs.run("drain", "chat-gpu2-0")
    assert refused.exit_code == 67, refused.output
    assert fleet.states("chat-gpu2-0") == ["in"] * 2
    refused = fleet.verbs.run("undrain", "chat-gpu1-0")
    assert refused.exit_code == 67
    assert "chat-gpu1-0 is in the turn of rollout 1 at gw2 (rollout: starting)" in refused.stderr


def test_a_silent_gateway_leaves_all_as_they_were(fleet: Fleet) -> None:
    fleet.verbs.silent["gw2"] = "no answer within 45 s"
    for verb in ("drain", "undrain"):
        done = fleet.verbs.run(verb, "chat-gpu2-0")
        assert done.exit_code == 69 and "gw2: no answer within 45 s" in done.stderr, done.output
    assert fleet.states("chat-gpu2-0") == ["in"] * 2


def test_a_gateway_that_falls_silent_between_leaves_none_drained(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = drains.change_at

    def change_at(inventory: Any, gateway: str, name: str, change: dict[str, Any]) -> Any:
        if gateway == "gw2" and change.get("drained"):
            raise HostError("gw2: no answer within 45 s")
        return real(inventory, gateway, name, change)

    monkeypatch.setattr(drains, "change_at", change_at)
    done = fleet.verbs.run("drain", "chat-gpu2-0")
    assert done.exit_code == 69 and "gw2: no answer within 45 s" in done.stderr
    assert fleet.states("chat-gpu2-0") == ["in"] * 2


def test_it_waits_until_nothing_is_in_flight(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([{"gw1": 2, "gw2": 1}, {"gw1": 2, "gw2": 0}, {"gw1": 0, "gw2": 0}])

    def pass_a_second(seconds: float) -> None:
        for name, count in next(counts).items():
            fleet.gateways[name].replicas["chat-gpu2-0"]["in_flight"] = count

    monkeypatch.setattr(idle.gevent, "sleep", pass_a_second)
    monkeypatch.setattr(idle, "_running", lambda *_: 0)
    done = fleet.verbs.run("drain", "gpu2", "--wait")
    assert done.exit_code == 0, done.output
    said = done.stderr.splitlines()
    assert [line.split(" (")[0] for line in said] == [
        "in flight: chat-gpu2-0 4",
        "in flight: chat-gpu2-0 3",
        "in flight: chat-gpu2-0 2",
        "idle after 0 s",
    ]


def test_what_does_not_end_is_said_and_stays_drained(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 10_000, 400))
    monkeypatch.setattr(idle.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(idle.gevent, "sleep", lambda seconds: None)
    monkeypatch.setattr(idle, "_running", lambda *_: 7)
    done = fleet.verbs.run("drain", "gpu2", "--wait")
    assert done.exit_code == 69 and fleet.states("chat-gpu2-0") == ["drained"] * 2
    assert "not ended in 600 s: chat-gpu2-0 7; drained they stay" in done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("chat-gpu1", "'chat-gpu1' is not a known server or replica, did you mean 'chat-gpu1-0'?"),
        ("gpu3", "'gpu3' is not a known server or replica, did you mean 'gpu"),
        ("gw1", "'gw1' is not a known server or replica"),
    ],
)
@pytest.mark.parametrize("verb", ["drain", "undrain", "restart"])
def test_names_that_are_not_there_touch_no_gateway(
    fleet: Fleet, verb: str, name: str, said: str
) -> None:
    done = fleet.verbs.run(verb, name)
    assert done.exit_code == 67 and said in done.stderr, done.output
    assert not any(gateway.asked for gateway in fleet.gateways.values())


def test_a_gateway_or_a_replica_is_no_server_to_reboot(fleet: Fleet) -> None:
    for name in ("gw1", "chat-gpu1-0"):
        done = fleet.verbs.run("reboot", name)
        assert done.exit_code == 67 and f"server {name!r} is not known" in done.stderr, done.output


def test_the_only_replica_is_not_restarted_unless_it_is_forced(fleet: Fleet) -> None:
    assert fleet.verbs.run("drain", "chat-gpu1-0").exit_code == 0
    done = fleet.verbs.run("restart", "gpu2")
    assert done.exit_code == 67 and "chat would have no replica in at gw1" in done.stderr
    assert fleet.states("chat-gpu2-0") == ["in"] * 2


def test_a_replica_that_no_gateway_knows_yet(fleet: Fleet) -> None:
    for gateway in fleet.gateways.values():
        del gateway.state["services"]["chat"]["replicas"]["chat-gpu2-0"]
    done = fleet.verbs.run("drain", "gpu2")
    assert done.exit_code == 67
    assert "no gateway that runs sends requests to chat-gpu2-0" in done.stderr
