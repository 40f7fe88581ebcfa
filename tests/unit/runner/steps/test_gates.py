"""What a step says to gateways, also of a service behind a router."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.steps import gates as module
from rackwright.runner.steps.gates import Gates
from tests.samples.fleet import hosts, server, service

Asked = list[tuple[str, dict[str, Any]]]


def gates_of(monkeypatch: pytest.MonkeyPatch, **of_service: Any) -> tuple[Gates, Any, Asked]:
    """Gateways of one service, its first replica, and what is asked of gateways."""
    spec = load_fleet(
        hosts({"gpu1": server(), "gpu2": server(12)}, {"chat": service(**of_service)})
    )
    planned = plan(spec)
    asked: Asked = []

    def answer(host: str, script: str, request: dict[str, Any], **how: Any) -> dict[str, Any]:
        asked.append((script, request))
        return {"before": None}

    monkeypatch.setattr(module, "reach", lambda inventory, name: name)
    monkeypatch.setattr(module, "call", answer)
    fleet: Any = SimpleNamespace(spec=spec, plan=planned, watchdogs={})
    return Gates(fleet, SimpleNamespace()), planned.replicas[0], asked  # type: ignore[arg-type]


def test_a_replica_is_entered_where_it_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    gates, replica, asked = gates_of(monkeypatch)
    entries: dict[str, Any] = {}
    gates.put(replica, entries, "")
    (_, look), (script, request) = asked
    assert look["look"] and not request["look"]
    assert script == "gateway_entries" and request["name"] == replica.name
    assert request["router"] is None and request["entry"]["port"] == replica.port
    assert entries == {"gw1": None}
    assert gates.router_notices_s("chat") == 0


def test_one_behind_a_router_is_entered_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gates, replica, asked = gates_of(monkeypatch, router="vllm-router")
    gates.put(replica, {}, "")
    assert asked[-1][1]["router"] == "router-chat" and asked[-1][1]["entry"]["port"] == replica.port
    assert gates.router_notices_s("chat") >= 6


def test_gateways_learn_the_key_of_the_plan_and_those_of_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gates, replica, asked = gates_of(monkeypatch)
    monkeypatch.setattr(module, "secret", lambda variable, source: {variable: "planned"})
    gates.fleet.settings = gates.fleet.spec.settings.__getitem__  # type: ignore[method-assign]
    gates.learn(["former", "planned", ""])
    ((script, request),) = asked
    assert script == "engine_keys" and request["keys"] == ["planned", "former"]
    gates.put(replica, {}, "0123456789ab")
    assert asked[-1][1]["entry"]["key"] == "0123456789ab"


def test_without_a_key_no_gateway_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    gates, replica, asked = gates_of(monkeypatch)
    gates.fleet.settings = gates.fleet.spec.settings.__getitem__  # type: ignore[method-assign]
    gates.learn()
    assert asked == []
    gates.put(replica, {}, "")
    assert "key" not in asked[-1][1]["entry"]
