"""What is asked of a host at once is what its stages look at: none needs a command of its own."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.context import ctx_host

from rackwright.desired.base import base_items
from rackwright.desired.engines import engines_of, lock_items, release_request
from rackwright.desired.gateway import gateway_items
from rackwright.desired.gateway_places import SECRETS, no_gateway
from rackwright.desired.items import Item, query
from rackwright.desired.replicas import replica_items
from rackwright.desired.watchdog import watchdog_items
from rackwright.desired.weights import weights_request
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner import first_looks, looking
from rackwright.runner.fleet import FleetRun
from rackwright.runner.looking import SCRIPTS, _found, _item_key, _key, to_observe
from rackwright.runner.weights import request_of as weights_of
from tests.samples.fleet import DEFAULTS, hosts, server, service

GPUS = [{"uuid": f"GPU-{n:036}", "pci_bus_id": f"0000:{n:02}"} for n in range(8)]
UUIDS = [gpu["uuid"] for gpu in GPUS]
CHAT = service(servers=["gpu1", "gpu2"], model="llama-3.1-8b-instruct")


class Inventory:
    """That of a run, of which nothing is known yet."""


def fleet(**more: Any) -> FleetRun:
    servers = {"gpu1": server(11), "gpu2": server(12) | {"address": "two.lab.example"}}
    data = hosts(servers, {"chat": CHAT})
    data["gw1"] = {**data["gpu1"], "gateway": {"server_name": "llm.example"}}
    del data["gw1"]["server"]
    spec = load_fleet({name: {**DEFAULTS, **own, **more} for name, own in data.items()})
    return FleetRun(spec, plan(spec))


def asked(run: FleetRun, name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All that a host is asked at once, by the keys that stages find the answers by."""
    kept: list[Any] = []
    monkeypatch.setattr(first_looks, "look_ahead", lambda _, questions: kept.append(questions))
    first_looks.ask_ahead(run, None)  # type: ignore[arg-type]
    found: dict[str, Any] = {}
    host = SimpleNamespace(name=name, inventory=Inventory())
    for script, *arguments in looking._merged(kept[0](host)):
        assert script in SCRIPTS
        if script == "state":
            found |= {_item_key(item): {} for item in arguments[0]["items"]}
        else:
            found[_key(script, arguments)] = None
    return found


def covers(found: dict[str, Any], items: list[Item]) -> bool:
    """Whether all items are known, but for the text of files that differ."""
    plain = [{k: v for k, v in one.items() if k != "text"} for one in query(items)]
    return _found(found, "state", [{"do": "observe", "items": plain}])[0]


def test_a_server_is_asked_all_that_its_stages_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    run = fleet(driver_source="auto")
    found = asked(run, "gpu2", monkeypatch)
    own, replicas = run.settings("gpu2"), run.plan.on("gpu2")
    used = engines_of(replicas)
    assert replicas
    with ctx_host.use(SimpleNamespace(name="gpu2")):
        base = base_items(
            own, server=True, gateway=False, engines=used, firewall=bool(run.firewall)
        )
    assert covers(found, base)
    assert covers(found, lock_items(used, own))
    assert covers(found, watchdog_items("gpu2", run.spec, run.plan, GPUS, b"program"))
    assert covers(found, replica_items(replicas, own, UUIDS, "key"))
    for script, request in (
        ("release", release_request(used, own)),
        ("weights", weights_request(replicas, own, {})),
    ):
        assert request and _key(script, [to_observe(request)]) in found
    assert _key("gpu_names", [f"{own.state_dir}/watchdog"]) in found
    assert _key("names", [["two.lab.example"]]) in found
    assert _key("driver", [{"do": "observe"}]) in found
    assert not covers(found, [*no_gateway(own), *replica_items(run.plan.on("gpu1"), own, UUIDS)])


def test_a_gateway_is_asked_all_that_its_stages_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    run = fleet()
    found = asked(run, "gw1", monkeypatch)
    addresses = {"two.lab.example": "192.0.2.12"}
    gateway, own = run.spec.gateways["gw1"], run.settings("gw1")
    watchdogs = run.watchdogs
    items = gateway_items(gateway, run.plan.upstreams, own, addresses, watchdogs=watchdogs)
    assert covers(found, items)
    for names in ([], ["two.lab.example"]):
        assert _key("gateway_host", [names, SECRETS]) in found


def test_stages_that_are_not_wanted_ask_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    run = fleet(stages="models")
    (only,) = asked(run, "gpu1", monkeypatch)
    assert only.startswith('["weights"')
    assert asked(run, "gw1", monkeypatch) == {}


def test_a_stage_that_cannot_be_foreseen_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> Any:
        raise first_looks.RackwrightError("no such file")

    run = fleet()
    before = asked(run, "gw1", monkeypatch)
    monkeypatch.setattr(first_looks, "gateway_items", broken)
    left = asked(run, "gw1", monkeypatch)
    assert left and left.keys() < before.keys()


def test_no_secret_is_in_what_is_asked_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's token, and whatever stands in an engine's environment."""
    monkeypatch.setenv("OWN_TOKEN", "hf_of-the-hub")
    private = {"PROXY": "http://me:pass-word@proxy.example"}
    run = fleet(hf_token_env="OWN_TOKEN", engine_environment=private)
    for name in ("gpu2", "gw1"):
        found = json.dumps(list(asked(run, name, monkeypatch)))
        assert "hf_of" not in found and "pass-word" not in found
    assert "hf_of-the-hub" in json.dumps(weights_of(run, "gpu2")), "who fetches has it"
