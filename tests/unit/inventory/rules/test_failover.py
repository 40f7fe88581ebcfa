"""Gateways that clients see as one: what is refused, all of it at once."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from tests.samples.faulty import faults
from tests.samples.fleet import hosts, service

OWN = {"gw1": "192.0.2.1", "gw2": "192.0.2.2"}


def pair(failover: Any, **second: Any) -> dict[str, dict[str, Any]]:
    """Two gateways; the second differs by what is given."""
    data = hosts(failover=failover)
    other = {**data["gw1"]["gateway"], **second}
    return {**data, "gw2": {**data["gw1"], "gateway": other}}


def test_without_shared_addresses_the_records_are_each_gateway_s() -> None:
    (record,) = plan(load_fleet(pair({"gateways": OWN}))).records
    assert record.addresses == ("192.0.2.1", "192.0.2.2")


def test_shared_addresses_are_the_records() -> None:
    shared = ["192.0.2.100", "2001:DB8::0100"]
    spec = load_fleet(pair({"gateways": OWN, "addresses": shared}))
    (record,) = plan(spec).records
    assert record.addresses == ("192.0.2.100", "2001:db8::100")
    assert spec.failover and spec.failover.peers("gw1") == ("192.0.2.2",)


def test_every_fault_is_said_at_once() -> None:
    own = {"gw1": "192.0.2.1", "gw2": ["192.0.2.1", "2001:db8::1"], "gw3": "192.0.2.9"}
    said = faults(pair({"gateways": own, "addresses": "192.0.2.11"}, port=8443))
    starts = (
        "failover.addresses: must be an address of no host's own, server gpu1 has it",
        "failover.gateways: is not a known gateway",
        "failover.gateways[gw2]: is the address of gw1 too",
        "failover.gateways[gw2]: must have addresses of the same families as gw1",
        "gateways[gw2].port: must be as that of gw1",
    )
    assert len(said) == len(starts)
    assert all(one.startswith(start) for one, start in zip(said, starts, strict=True))


def test_names_of_services_are_records_too() -> None:
    data = pair({"gateways": OWN})
    for one in data.values():
        one["services"] = {"chat": service(host_names=["chat.example.com"])}
    assert [one.name for one in plan(load_fleet(data)).records][1:] == ["chat.example.com"]


@pytest.mark.parametrize(
    ("key", "value"), [("ask_keys", True), ("default", "chat"), ("other_names", ["a.example.com"])]
)
def test_what_clients_notice_is_alike(key: str, value: Any) -> None:
    (said,) = faults(pair({"gateways": OWN}, **{key: value}))
    assert said.startswith(f"gateways[gw2].{key}: must be as that of gw1")


@pytest.mark.parametrize(
    ("failover", "rule"),
    [
        ({"gateways": {"gw1": "192.0.2.1"}}, "must name two gateways or more"),
        ({"gateways": {**OWN, "gpu1": "192.0.2.7"}}, "this is a server"),
        ({"gateways": OWN, "router_id": 7}, "says nothing without failover.addresses"),
        ({"gateways": OWN, "addresses": "192.0.2.100", "router_id": 256}, "must be 1 to 255"),
        ({"gateways": OWN, "addresses": "224.0.0.18"}, "must be an IP address of one host"),
        ({"gateways": OWN, "addresses": "fe80::1"}, "that clients of other networks reach"),
        ({"gateways": OWN, "addresses": []}, "must be an IP address of one host"),
        ({"gateways": {**OWN, "gw2": "x"}}, "must be an IP address of one host"),
        ([1], "must be a dict"),
    ],
)
def test_what_is_refused(failover: Any, rule: str) -> None:
    (said,) = faults(pair(failover))
    assert said.startswith("failover") and rule in said
