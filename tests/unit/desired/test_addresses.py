"""Servers declared by name: what the gateway knows of the names, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rackwright.desired.addresses import (
    ip_of,
    name_faults,
    named_addresses,
    own_name_fault,
    resolved,
)
from rackwright.desired.gateway import gateway_items
from rackwright.desired.gateway_places import FLEET
from rackwright.desired.items import File
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.spec import FleetSpec
from tests.samples.fleet import hosts, server, service

FIRST, SECOND = "gpu-one.example.com", "gpu-two.example.com"


def fleet(*addresses: str) -> tuple[FleetSpec, FleetPlan]:
    servers = {f"gpu{at}": {**server(), "address": where} for at, where in enumerate(addresses, 1)}
    chat = service(servers=list(servers), gpus={name: [0] for name in servers})
    spec = load_fleet(hosts(servers, {"chat": chat}))
    return spec, plan(spec)


def said(*found: str) -> dict[str, Any]:
    return {"addresses": list(found)}


def test_names_are_looked_up_and_addresses_are_not() -> None:
    _, planned = fleet(FIRST, "192.0.2.12", SECOND)
    assert named_addresses(planned.upstreams) == [FIRST, SECOND]


def test_the_gateway_is_given_addresses_and_no_name() -> None:
    spec, planned = fleet(FIRST, SECOND)
    known = resolved({FIRST: said("192.0.2.11"), SECOND: said("2001:db8::2")})
    items = gateway_items(spec.gateways["gw1"], planned.upstreams, spec.settings["gw1"], known)
    (content,) = [i.content for i in items if isinstance(i, File) and i.key == FLEET]
    replicas = json.loads(content)["services"]["chat"]["replicas"]
    assert [(one["name"], one["host"], one["port"]) for one in replicas] == [
        ("chat-gpu1-0", "192.0.2.11", 8000),
        ("chat-gpu2-0", "[2001:db8::2]", 8000),
    ]
    assert not [i for i in items if isinstance(i, File) and FIRST.encode() in i.content]


@pytest.mark.parametrize(
    ("looked_up", "faults"),
    [
        ({FIRST: said("192.0.2.11"), SECOND: said("192.0.2.13")}, []),
        (
            {FIRST: {"error": "Name or service not known"}, SECOND: said()},
            [
                "servers[gpu1].address: is a name that gw1 cannot look up (Name or service not "
                f"known) (got '{FIRST}')",
                "servers[gpu2].address: is a name that gw1 cannot look up (no address) "
                f"(got '{SECOND}')",
            ],
        ),
        (
            {FIRST: said("192.0.2.11", "198.51.100.11"), SECOND: said("192.0.2.13")},
            [
                "servers[gpu1].address: is 192.0.2.11 and 198.51.100.11 on gw1: say which of them "
                f"(got '{FIRST}')"
            ],
        ),
        (
            {FIRST: said("192.0.2.11"), SECOND: said("192.0.2.12")},
            ["servers[gpu3].address: is 192.0.2.12 on gw1, as is that of gpu2 (got '192.0.2.12')"],
        ),
        (
            {FIRST: said("192.0.2.11"), SECOND: said("192.0.2.11")},
            [f"servers[gpu2].address: is 192.0.2.11 on gw1, as is that of gpu1 (got '{SECOND}')"],
        ),
    ],
)
def test_what_is_wrong_with_a_name_is_said_of_all(
    looked_up: dict[str, Any], faults: list[str]
) -> None:
    _, planned = fleet(FIRST, SECOND, "192.0.2.12")
    assert [str(fault) for fault in name_faults(planned.upstreams, looked_up, "gw1")] == faults


@pytest.mark.parametrize(
    ("found", "reached", "words"),
    [
        (said("192.0.2.11"), True, None),
        (said("127.0.1.1"), False, None),  # the gateway is on the same host, and says so too
        (said("127.0.1.1"), True, "is 127.0.1.1 on gpu1 itself, where no gateway reaches it"),
        (said("::1"), True, "is ::1 on gpu1 itself"),
        (said("192.0.2.11", "192.0.2.12"), True, "is 192.0.2.11 and 192.0.2.12 on gpu1: say which"),
        ({"error": "Name or service not known"}, False, "is a name that gpu1 cannot look up"),
    ],
)
def test_a_server_listens_where_its_own_name_leads(
    found: dict[str, Any], reached: bool, words: str | None
) -> None:
    spec, _ = fleet(FIRST)
    fault = own_name_fault(spec.servers["gpu1"], found, reached)
    assert (words or "None") in str(fault)


def test_an_address_that_is_one_stays() -> None:
    assert ip_of("192.0.2.11", {}) == "192.0.2.11"
    assert ip_of("2001:db8::1", {}) == "[2001:db8::1]"
