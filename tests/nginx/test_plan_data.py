"""The data that a deploy writes from the plan, loaded by the gateway's own Lua."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lab.local_gateway import LocalGateway
from rackwright.desired.fleet_data import fleet_data
from rackwright.desired.items import Change, File, GatewayData, payload, query
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.remote.host.running import Failed
from rackwright.remote.items import files, gateway_data
from rackwright.remote.state import observe
from tests.samples.fleet import hosts, server, service


def planned(*servers: str, **more: Any) -> bytes:
    """The file for a service on these servers, with every key that a service can have."""
    overflow = {"url": "https://api.example.com/v1", "model": "big", "key_env": "KEY"}
    chat = service(
        servers=list(servers),
        aliases=["gpt-4o"],
        adapters={"sql": "/srv/models/sql"},
        host_names=["chat.example.com"],
        browser_origins=["*"],
        overflow=overflow | {"tokens_a_day": 1000},
        **more,
    )
    boxes = {name: server(10 + at, count=1, link="none") for at, name in enumerate(servers)}
    spec = load_fleet(hosts(boxes, {"chat": chat}))
    upstreams = plan(spec).upstreams
    return fleet_data(spec.gateways["gw1"], upstreams, spec.settings["gw1"], {})


@pytest.fixture(scope="module")
def gateway(up: Any) -> LocalGateway:
    started: LocalGateway = up(json.loads(planned("gpu1")))
    return started


def item(gateway: LocalGateway, content: bytes) -> GatewayData:
    fleet = File(str(gateway.folder / "fleet.json"), content)
    return GatewayData(str(gateway.socket_path), fleet, str(gateway.folder / "keys.json"))


def difference(one: GatewayData) -> str | None:
    (seen,) = observe(query([one]))
    return one.difference(seen)


def test_another_plan_is_loaded_and_said_to_be(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_data, "_activity", lambda unit: "active")
    content = planned("gpu1", "gpu2")
    one = item(gateway, content)
    assert difference(one) == "has an older plan loaded: load"
    Path(one.fleet.key).write_bytes(content)
    gateway_data.make(payload([Change(one, "", {})]), {})
    assert difference(one) is None
    state = gateway.ask("GET", "/state")[1]
    assert list(state["services"]["chat"]["replicas"]) in (
        ["chat-gpu1-0", "chat-gpu2-0"],
        ["chat-gpu2-0", "chat-gpu1-0"],
    )


@pytest.mark.parametrize("content", [b"", b"[]", b'{"format": 2}', b'{"format": 1'])
def test_data_that_it_cannot_use_are_put_back_and_not_loaded(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setattr(gateway_data, "_activity", lambda unit: "active")
    one = item(gateway, content)
    path = Path(one.fleet.key)
    kept, loaded = files.saved(path), gateway.ask("GET", "/state")[1]["loaded"]
    assert kept
    path.write_bytes(content)
    with pytest.raises(Failed, match="the gateway refuses its data"):
        gateway_data.make(payload([Change(one, "", {})]), {one.fleet.key: kept})
    assert path.read_bytes() == kept["content"]
    assert gateway.ask("GET", "/state")[1]["loaded"] == loaded


def test_a_plan_without_replicas_is_loaded_too(
    gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_data, "_activity", lambda unit: "active")
    spec = load_fleet(hosts())
    content = fleet_data(spec.gateways["gw1"], (), spec.settings["gw1"], {})
    one = item(gateway, content)
    Path(one.fleet.key).write_bytes(content)
    gateway_data.make(payload([Change(one, "", {})]), {})
    assert difference(one) is None
