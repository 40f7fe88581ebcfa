"""Turns taken, renewed and given back, at stand-ins for gateways that keep them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gevent
import pytest

from rackwright.errors import HostError
from rackwright.remote import gateway_state as on_the_gateway
from rackwright.runner import gateway_state, turns_at_gateways
from rackwright.runner.turns_at_gateways import (
    Turn,
    TurnRefused,
    TurnWanted,
    states_at_gateways,
    turn_at_gateways,
)
from tests.samples.gateway_socket import listening, replica, state
from tests.samples.gateway_turns import TurnKeeper

NAMES = ("gw1", "gw2")
WANTED = TurnWanted("chat-gpu1-0", "rollout 1", "rollout: draining")
OTHER = TurnWanted("chat-gpu2-0", "rollout 2", "rollout: draining")


class Fleet:
    """Two gateways; ``silent`` ones cannot be connected to.

    A connection ends before or after the gateway has done what the call of that number asks.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gateways = {name: TurnKeeper(folder / name) for name in NAMES}
        self.silent: set[str] = set()
        self.calls: list[str] = []
        self.ends_before: set[int] = set()
        self.ends_after: set[int] = set()
        self._monkeypatch = monkeypatch
        for gateway in self.gateways.values():
            gateway.folder.mkdir()
            gateway.state = state(chat_gpu1_0=replica(), chat_gpu2_0=replica(in_flight=5))
        monkeypatch.setattr(gateway_state, "call", self._call)

    def get_host(self, name: str) -> Any:
        return SimpleNamespace(name=name, connect=lambda **_: self._connect(name))

    def _connect(self, name: str) -> None:
        if name in self.silent:
            raise OSError("no route to host")

    def _call(self, host: Any, script: str, request: dict[str, Any], **_: Any) -> Any:
        self.calls.append(host.name)
        number = len(self.calls)
        if number in self.ends_before:
            raise ConnectionResetError
        path = str(self.gateways[host.name].socket)
        self._monkeypatch.setattr(on_the_gateway, "SOCKET", path)
        said = on_the_gateway.main(json.loads(json.dumps(request)))
        if number in self.ends_after:
            raise HostError(f"{host.name}: gateway_state gave no answer: ConnectionResetError()")
        return said

    def turn(self, wanted: TurnWanted = WANTED) -> Turn:
        return Turn(self, ("gw2", "gw1"), wanted)  # type: ignore[arg-type]

    def states(self, name: str = "chat-gpu1-0") -> list[str]:
        services = [one.state["services"]["chat"] for one in self.gateways.values()]
        return [service["replicas"][name]["state"] for service in services]

    def replicas(self) -> list[dict[str, Any]]:
        return [one.replicas["chat-gpu1-0"] for one in self.gateways.values()]

    def pass_s(self, seconds: float) -> None:
        for gateway in self.gateways.values():
            gateway.pass_s(seconds)


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fleet]:
    here = Fleet(tmp_path, monkeypatch)
    with ExitStack() as listeners:
        for gateway in here.gateways.values():
            listeners.enter_context(listening(gateway))
        yield here


def test_a_turn_is_taken_everywhere_in_one_order_and_given_back(fleet: Fleet) -> None:
    turn = fleet.turn()
    turn.take()
    assert turn.held == NAMES and fleet.states() == ["drained"] * 2
    asked = fleet.gateways["gw1"].asked[1]
    lease = {"owner": "rollout 1", "for_s": 90, "alone": True, "hold_s": 0}
    assert asked == (
        "PUT", "/replicas/chat-gpu1-0", {"turn": lease, "why": "rollout: draining"},
    )  # fmt: skip
    assert turn.in_flight() == 4
    assert turn.give_back() == {}
    assert fleet.states() == ["in"] * 2 and turn.held == ()


def test_one_that_nobody_has_proven_waits_for_a_completion(fleet: Fleet) -> None:
    turn = fleet.turn()
    turn.take()
    turn.give_back(prove=True)
    assert fleet.states() == ["ejected"] * 2
    fleet.gateways["gw1"].complete("chat-gpu1-0")
    assert fleet.states() == ["in", "ejected"]


def test_two_runs_cannot_meet_on_a_replica_or_a_service(fleet: Fleet) -> None:
    fleet.turn().take()
    for wanted in (OTHER, TurnWanted("chat-gpu1-0", "rollout 2", "why")):
        with pytest.raises(TurnRefused, match="gw1: chat-gpu1-0 has a turn of rollout 1"):
            fleet.turn(wanted).take()
    fleet.turn(TurnWanted("chat-gpu2-0", "rollout 2", "why", alone=False)).take()
    assert fleet.states("chat-gpu2-0") == ["drained"] * 2


def test_what_one_gateway_refuses_is_given_back_at_the_others(fleet: Fleet) -> None:
    out = fleet.gateways["gw2"].state["services"]["chat"]["replicas"]["chat-gpu2-0"]
    out["state"] = "ejected"
    with pytest.raises(TurnRefused, match="gw2: no other replica of the service is in") as caught:
        fleet.turn().take()
    assert caught.value.others == {"chat-gpu2-0": "ejected"}
    assert fleet.states() == ["in"] * 2 and caught.value.exit_code == 67


def test_one_that_was_out_before_is_not_in_by_a_turn_in_which_nothing_was_changed(
    fleet: Fleet,
) -> None:
    fleet.gateways["gw1"].state["services"]["chat"]["replicas"]["chat-gpu1-0"]["state"] = "ejected"
    turn = fleet.turn()
    turn.take()
    assert fleet.states() == ["drained"] * 2
    turn.leave()
    assert fleet.states() == ["ejected", "in"]
    fleet.silent.add("gw2")
    with pytest.raises(HostError):
        fleet.turn().take()
    assert fleet.states() == ["ejected", "in"]


def test_a_gateway_that_cannot_be_reached_stops_it_before_anything_is_changed(
    fleet: Fleet,
) -> None:
    fleet.silent.add("gw2")
    with pytest.raises(HostError, match="gw2: no route to host"):
        fleet.turn().take()
    assert fleet.states() == ["in"] * 2


def test_a_gateway_that_does_not_run_or_knows_no_such_replica_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Fleet(tmp_path, monkeypatch)
    with listening(here.gateways["gw2"]):  # nobody listens on gw1's socket
        turn = here.turn()
        turn.take()
        assert turn.held == ("gw2",) and turn.in_flight() == 2
        turn.give_back()
        nobody_s = here.turn(TurnWanted("chat-gpu9-0", "o", "why"))
        nobody_s.take()
        assert nobody_s.held == () and nobody_s.in_flight() == 0


def test_a_gateway_with_an_older_lua_is_to_be_deployed_first(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TurnKeeper, "_put", lambda self, name, body: (200, self.replicas[name]))
    with pytest.raises(HostError, match=r"gw1: .* deploy it first \(--data stages=gateway\)"):
        fleet.turn().take()


def test_a_turn_is_renewed_though_another_is_out_meanwhile(fleet: Fleet) -> None:
    turn = fleet.turn()
    turn.take()
    for gateway in fleet.gateways.values():
        gateway.state["services"]["chat"]["replicas"]["chat-gpu2-0"]["state"] = "ejected"
    turn.why = "rollout: starting"
    for _ in range(3):
        fleet.pass_s(60)
        turn.renew()
    assert fleet.states() == ["drained"] * 2
    assert fleet.gateways["gw2"].whys["chat-gpu1-0"][-1] == "rollout: starting"


def test_a_turn_that_ran_out_is_no_longer_held_where_another_has_one(fleet: Fleet) -> None:
    turn = fleet.turn()
    turn.take()
    fleet.pass_s(91)
    for gateway in fleet.gateways.values():
        gateway.complete("chat-gpu1-0")
    fleet.turn(OTHER).take()
    with pytest.raises(HostError, match="gw1: chat-gpu2-0 has a turn of rollout 2\ngw2: "):
        turn.renew()


def test_a_gateway_that_comes_up_meanwhile_is_asked_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Fleet(tmp_path, monkeypatch)
    with listening(here.gateways["gw1"]):
        turn = here.turn()
        turn.take()
        with listening(here.gateways["gw2"]):
            turn.renew()
            assert turn.held == NAMES and here.states() == ["drained"] * 2


def test_a_turn_that_was_given_back_is_not_renewed(fleet: Fleet) -> None:
    turn = fleet.turn()
    turn.take()
    turn.give_back()
    turn.renew()
    assert fleet.states() == ["in"] * 2


def test_what_each_gateway_says_of_its_replicas(fleet: Fleet) -> None:
    fleet.turn().take()
    said = states_at_gateways(spec(), fleet)  # type: ignore[arg-type]
    first = {name: each["chat-gpu1-0"] for name, each in said.items()}
    assert {(one.service, one.state, one.in_flight) for one in first.values()} == {
        ("chat", "drained", 2)
    }
    assert first["gw2"].told["turn"]["owner"] == "rollout 1"
    fleet.gateways["gw2"].state["services"] = ["chat"]
    with pytest.raises(HostError, match="gw2: its answer cannot be read"):
        states_at_gateways(spec(), fleet)  # type: ignore[arg-type]


def test_who_does_not_hear_that_it_ended_is_said(fleet: Fleet) -> None:
    said: list[str] = []
    with turn_at_gateways(spec(), fleet, WANTED, said=said.append):  # type: ignore[arg-type]
        fleet.silent.add("gw2")
    assert said == ["gw2: no route to host"] and fleet.states() == ["ejected", "drained"]
    fleet.pass_s(91)
    assert fleet.states() == ["ejected"] * 2


def spec() -> Any:
    return SimpleNamespace(spec=SimpleNamespace(gateways=dict.fromkeys(NAMES)))


def test_it_is_renewed_while_the_block_runs_and_proven_after_an_error(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_at_gateways, "RENEW_EVERY_S", 0.01)
    renewed = fleet.gateways["gw2"].whys.setdefault("chat-gpu1-0", [])
    with (
        pytest.raises(RuntimeError),
        turn_at_gateways(spec(), fleet, WANTED),  # type: ignore[arg-type]
    ):
        while len(renewed) < 3:
            gevent.sleep(0.01)
        raise RuntimeError
    assert fleet.states() == ["ejected"] * 2


def test_who_has_patience_waits_for_another_s_turn(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, said = fleet.turn(OTHER), []
    first.take()

    def hear(words: str) -> None:
        said.append(words)
        first.give_back()

    monkeypatch.setattr(turns_at_gateways, "ASK_AGAIN_S", 0)
    with turn_at_gateways(spec(), fleet, WANTED, 60, hear) as turn:  # type: ignore[arg-type]
        assert turn.held == NAMES
        assert turn.give_back() == {}
    assert said == ["gw1: chat-gpu2-0 has a turn of rollout 2"]
    assert fleet.states() == ["in"] * 2


def test_the_turn_of_a_run_that_has_ended_is_in_nobodys_way(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.turn(TurnWanted("chat-gpu1-0", "killed", "rollout: drained")).take()
    with pytest.raises(TurnRefused):
        fleet.turn().take()
    monkeypatch.setattr(turns_at_gateways, "is_dead", lambda owner: owner == "killed")
    turn = fleet.turn()
    turn.take()
    assert turn.held == NAMES
    monkeypatch.setattr(turns_at_gateways, "is_dead", lambda owner: False)
    with pytest.raises(TurnRefused):
        fleet.turn(TurnWanted("chat-gpu1-0", "another", "rollout: drained")).take()


CALLS = 6
"""A turn at two gateways: each is looked at and asked for it, and told of its end."""


@pytest.mark.parametrize("number", range(1, CALLS + 1))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_connection_that_ends_costs_nothing_wherever_it_ends(
    fleet: Fleet, when: str, number: int
) -> None:
    """The turn is asked for again, and is the same one; ended again, it has ended."""
    getattr(fleet, f"ends_{when}").add(number)
    turn = fleet.turn()
    turn.take()
    assert turn.held == NAMES and fleet.states() == ["drained"] * 2
    assert turn.give_back() == {}
    assert len(fleet.calls) == CALLS + 1
    assert fleet.states() == ["in"] * 2
    assert [one["turn"] for one in fleet.replicas()] == [None] * 2


@pytest.mark.parametrize("number", range(1, CALLS + 1))
def test_a_gateway_that_stays_silent_keeps_a_turn_no_longer_than_its_lease(
    fleet: Fleet, number: int
) -> None:
    """Whatever it did last: it is told that the turn is over, or finds that out by its lease."""
    turn = fleet.turn()
    fleet.ends_after |= {number, number + 1}
    try:
        turn.take()
    except HostError:
        assert number <= 4, "nothing is changed: what was taken is given back"
    else:
        assert list(turn.give_back()) == [NAMES[number - 5]]
    for one in fleet.replicas():
        assert not one.get("turn"), "it heard of the end, though nobody heard its answer"
    fleet.pass_s(91)
    for gateway in fleet.gateways.values():
        gateway.complete("chat-gpu1-0")
    assert fleet.states() == ["in"] * 2


def test_a_turn_that_nobody_knows_of_is_over_when_its_lease_is(fleet: Fleet) -> None:
    """All connections end for good behind the second gateway's turn: killed, or cut off."""
    fleet.ends_after |= {4}
    fleet.ends_before |= set(range(5, 99))
    with pytest.raises(HostError):
        fleet.turn().take()
    assert fleet.states() == ["drained"] * 2
    fleet.pass_s(91)
    assert fleet.states() == ["ejected"] * 2
    for gateway in fleet.gateways.values():
        gateway.complete("chat-gpu1-0")
    assert fleet.states() == ["in"] * 2
