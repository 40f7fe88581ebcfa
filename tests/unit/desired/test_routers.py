"""Routers on a gateway: their units, what the gateway has in their place, and how they go."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from rackwright.desired import paths
from rackwright.desired.base import base_items
from rackwright.desired.engines import lock_items, release_request
from rackwright.desired.gateway import gateway_items
from rackwright.desired.gateway_places import FLEET
from rackwright.desired.items import Absent, File, Item, NoOtherUnits
from rackwright.desired.routers import MARK, kinds_of, no_other_routers, router_items
from rackwright.errors import PlanError, RefusedError, SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.report.document import plan_document
from rackwright.runner.gateway_state import must_be_routed
from rackwright.spec import FleetSpec
from tests.samples.fleet import hosts, server, service

UNIT = "rackwright-router-chat.service"
PORT = 8700


def made(gateway: Any = None, **more: Any) -> tuple[FleetSpec, FleetPlan]:
    """Two servers behind a router."""
    chat = service(**{"servers": ["gpu1", "gpu2"], "router": "vllm-router", **more})
    spec = load_fleet(hosts({"gpu1": server(11), "gpu2": server(12)}, {"chat": chat}, gateway))
    return spec, plan(spec)


def on_gateway(spec: FleetSpec, planned: FleetPlan) -> list[Item]:
    gateway, settings = spec.gateways["gw1"], spec.settings["gw1"]
    routers = planned.routers_on("gw1")
    return gateway_items(gateway, planned.upstreams, settings, {}, routers=routers)


def chat_of(items: list[Item]) -> dict[str, Any]:
    (fleet,) = (one for one in items if isinstance(one, File) and one.key == FLEET)
    entry: dict[str, Any] = json.loads(fleet.content)["services"]["chat"]
    return entry


def test_the_gateway_has_the_router_as_the_only_replica() -> None:
    entry, without = chat_of(on_gateway(*made())), chat_of(on_gateway(*made(router=None)))
    slots = sum(one["slots"] for one in without["replicas"])
    assert entry["replicas"] == [
        {"name": "router-chat", "host": "127.0.0.1", "port": PORT, "slots": slots, "weight": 1.0}
    ]
    passed = ["/v1/chat/completions", "/v1/completions"]
    assert entry["paths"] == [path for path in without["paths"] if path in passed] == passed
    embeds = {"model": "qwen3-embedding-8b"}
    assert chat_of(on_gateway(*made(**embeds)))["paths"] == ["/v1/embeddings"]
    told = ("replicas", "paths", "sticky")
    kept = {key: value for key, value in entry.items() if key not in ("behind", "router")}
    assert {**kept, **{key: without[key] for key in told}} == without


def test_the_gateway_knows_who_is_behind_it_and_how_it_is_told() -> None:
    entry, without = chat_of(on_gateway(*made())), chat_of(on_gateway(*made(router=None)))
    assert entry["behind"] == without["replicas"]
    assert entry["router"] == {
        "listing": "/list_workers",
        "member": "urls",
        "add": "/add_worker?url=",
        "remove": "/remove_worker?url=",
    }
    assert not {"behind", "router"} & without.keys()


def test_one_that_is_not_wanted_goes_with_its_release() -> None:
    spec, planned = made()
    others = NoOtherUnits("rackwright-*.service", MARK, ())
    gone = Absent("/opt/rackwright/vllm-router", "*/.complete")
    assert no_other_routers((), spec.settings["gw1"]) == [others, gone]
    kept = replace(others, keep=(UNIT,))
    assert no_other_routers(planned.routers, spec.settings["gw1"]) == [kept]


def test_its_unit_is_unprivileged_and_names_every_replica() -> None:
    spec, planned = made()
    items = router_items(planned.routers, planned.upstreams, spec.settings["gw1"], {})
    (text,) = (one.content.decode() for one in items if isinstance(one, File) and UNIT in one.key)
    lines = text.splitlines()
    assert any(line.startswith(MARK) for line in lines)
    release = paths.release_dir(kinds_of(planned.routers)[0], spec.settings["gw1"])
    assert f"ExecStart={release}/bin/vllm-router" in text
    joined = text.replace("\\\n", "").splitlines()
    (start,) = (line for line in joined if line.startswith("ExecStart="))
    assert start.endswith("--worker-urls http://192.0.2.11:8000 http://192.0.2.12:8000")
    waits = "await-ready 127.0.0.1 8700 /liveness 30"
    assert f"ExecStartPost=-/opt/rackwright/bin/{waits}" in lines
    assert {"User=rackwright", "IPAddressDeny=any", "NoNewPrivileges=yes"} <= set(lines)
    assert "IPAddressAllow=localhost 192.0.2.11 192.0.2.12" in lines


def test_its_release_is_installed_from_hashes() -> None:
    spec, planned = made()
    settings, kinds = spec.settings["gw1"], kinds_of(planned.routers)
    files = [one for one in lock_items(kinds, settings) if isinstance(one, File)]
    request = release_request(kinds, settings)
    assert request and request["releases"][0]["folder"].startswith("/opt/rackwright/vllm-router/")
    assert request["releases"][0]["requirements"] in {one.key for one in files}
    assert all(b"--hash=sha256:" in one.content for one in files)
    base = {one.key for one in base_items(settings, server=False, gateway=True, routers=True)}
    assert {"python3-venv", "rackwright"} <= base
    assert release_request(kinds_of(()), settings) is None


@pytest.mark.parametrize(
    ("taken", "ports"), [({"port": 8700}, (8701, 8702)), ({"port": 8701}, (8700, 8702))]
)
def test_ports_are_those_that_nothing_else_has(
    taken: dict[str, int], ports: tuple[int, int]
) -> None:
    _, planned = made({"server_name": "llm.example.com", **taken})
    (router,) = planned.routers
    assert (router.port, router.metrics_port) == ports


def test_ports_of_replicas_on_the_same_host_are_taken() -> None:
    data = hosts({"gpu1": server()}, {"chat": service(router="vllm-router", port=8700)})
    data["gpu1"]["gateway"] = data.pop("gw1")["gateway"]
    planned = plan(load_fleet(data))
    (router,) = planned.routers
    assert {router.port, router.metrics_port}.isdisjoint({one.port for one in planned.replicas})


def test_a_router_without_a_port_is_refused() -> None:
    data = hosts(services={"chat": service(router="vllm-router")}, router_base_port=65535)
    with pytest.raises(PlanError, match=r"settings\[gw1\].router_base_port: leaves no room"):
        plan(load_fleet(data))


def test_an_unknown_router_is_refused() -> None:
    with pytest.raises(SpecError, match=r"services\[chat\].router: .*vllm-router"):
        made(router="vllm_router")


def test_a_replica_behind_a_router_is_the_gateways_to_drain_and_has_no_weight() -> None:
    _, planned = made()
    must_be_routed(planned, "router-chat", weighed=True)
    must_be_routed(planned, planned.replicas[0].name)
    with pytest.raises(RefusedError, match="is behind router-chat"):
        must_be_routed(planned, planned.replicas[0].name, weighed=True)
    _, without = made(router=None)
    must_be_routed(without, without.replicas[0].name)
    with pytest.raises(RefusedError):
        must_be_routed(without, "router-chat")


def test_the_plan_tells_of_it() -> None:
    _, planned = made()
    assert "through vllm-router on gw1:8700" in " ".join(plan_text(planned).split())
    (told,) = plan_document(planned)["routers"]
    assert told == {
        "name": "router-chat",
        "service": "chat",
        "kind": "vllm-router",
        "gateway": "gw1",
        "port": 8700,
        "metrics_port": 8701,
    }
