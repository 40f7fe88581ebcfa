"""A fleet of a thousand servers is planned, rendered and verified as a small one is.

What it costs is told in how often whole tables are walked through, never in seconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.scale.fleet import A_SERVICE, GATEWAYS, host_data
from benchmarks.scale.rendering import items_of
from benchmarks.scale.simulated import Simulated
from rackwright.checks.results import CheckResult, Status
from rackwright.desired.items import File, Item, Unit
from rackwright.inventory.reading import load_fleet
from rackwright.planning.firewall import firewall_of
from rackwright.planning.placing import plan
from rackwright.runner.fleet import FleetRun
from rackwright.runner.judging import judged
from rackwright.runner.planned import planned

SERVERS = 1000
A_SERVER = 2
"""Replicas on each, of four GPUs."""
BASE_PORT = 8000
FEW_WALKS = 12
"""Of a whole fleet: for its index, its gateways, its checks. None of them is one for each host."""


@pytest.fixture(scope="module")
def fleet() -> FleetRun:
    return of(SERVERS)


def of(servers: int) -> FleetRun:
    spec = load_fleet(host_data(servers))
    return FleetRun(spec, plan(spec))


def name(number: int, index: int) -> str:
    return f"chat{number // A_SERVICE + 1}-gpu{number + 1}-{index}"


def address(number: int) -> str:
    return f"10.{number // 250}.{number % 250}.11"


def neighbours(number: int) -> set[int]:
    first = number - number % A_SERVICE
    return set(range(first, first + A_SERVICE)) - {number}


def contents(items: list[Item]) -> dict[str, bytes]:
    return {item.key: item.content for item in items if isinstance(item, File)}


def verified(fleet: FleetRun, hosts: Simulated) -> list[CheckResult]:
    """What the checks say once every host was asked."""
    seen = {host: hosts.answer(host, "serving") for host in fleet.spec.settings}
    for one in seen.values():
        one["asked"] = dict.fromkeys(("sent_unix_s", "received_unix_s"), one["time_unix_s"])
    for server in fleet.spec.servers:
        seen[server]["probe"] = hosts.answer(server, "probe")
    return judged(fleet, list(seen), seen)


def test_every_server_has_its_replicas_on_gpus_and_ports_of_their_own(fleet: FleetRun) -> None:
    where = [(one.name, one.server.name, one.gpus, one.port) for one in fleet.plan.replicas]
    assert sorted(where) == sorted(
        (name(number, index), f"gpu{number + 1}", gpus, BASE_PORT + index)
        for number in range(SERVERS)
        for index, gpus in enumerate([(0, 1, 2, 3), (4, 5, 6, 7)])
    )


def test_each_host_is_rendered_for_itself_and_its_neighbours_alone(fleet: FleetRun) -> None:
    for number in range(SERVERS):
        server = f"gpu{number + 1}"
        items = items_of(fleet, server)
        units = {item.key for item in items if isinstance(item, Unit)}
        own = [name(number, index) for index in range(A_SERVER)]
        assert units == {
            "rackwright-watchdog.service",
            *(f"rackwright-{one}.service" for one in own),
        }
        files = contents(items)
        for index, one in enumerate(own):
            environment = files[f"/etc/rackwright/replicas/{one}.env"].decode()
            uuids = ",".join(f"GPU-{server}-{gpu}" for gpu in range(4 * index, 4 * index + 4))
            assert uuids in environment
        watchdog = json.loads(files["/etc/rackwright/watchdog.json"])
        assert watchdog["address"] == address(number)
        ((service, peers),) = watchdog["peers"].items()
        assert own[0].startswith(f"{service}-")
        assert {peer["address"]: peer["replicas"] for peer in peers} == {
            address(other): [name(other, index) for index in range(A_SERVER)]
            for other in neighbours(number)
        }


def test_each_firewall_lets_in_gateways_and_neighbours_alone(fleet: FleetRun) -> None:
    for number in range(SERVERS):
        firewall = firewall_of(f"gpu{number + 1}", fleet.spec, fleet.plan)
        assert firewall is not None
        assert set(firewall.servers) == set(map(address, neighbours(number)))
        assert set(firewall.gateways) == {f"10.255.0.{n + 1}" for n in range(len(GATEWAYS))}


def test_gateways_know_every_replica_once(fleet: FleetRun) -> None:
    for gateway in GATEWAYS:
        items = items_of(fleet, gateway)
        data = json.loads(contents(items)["/etc/nginx/rackwright/fleet.json"])
        told = {
            replica["name"]: (replica["host"], replica["port"])
            for service in data["services"].values()
            for replica in service["replicas"]
        }
        assert told == {
            name(number, index): (address(number), BASE_PORT + index)
            for number in range(SERVERS)
            for index in range(A_SERVER)
        }


def test_one_fault_in_a_thousand_servers_is_found_there_and_all_else_is_well(
    fleet: FleetRun,
) -> None:
    hosts = Simulated(fleet, {"gpu777": {"watchdog": {"unit": {"ActiveState": "failed"}}}})
    results = verified(fleet, hosts)
    bad = [one for one in results if one.status is not Status.OK]
    assert [(one.host, one.check, one.status) for one in bad] == [
        ("gpu777", "watchdog", Status.CRITICAL)
    ]
    asked = Counter((one.host, one.check) for one in results)
    of_a_server = {check: asked["gpu777", check] for _, check in asked if asked["gpu777", check]}
    for server in fleet.spec.servers:
        assert {check: asked[server, check] for check in of_a_server} == of_a_server
    assert {result.host for result in results} == {*fleet.spec.servers, *GATEWAYS}


class Walked(tuple[Any, ...]):
    """A table that counts how many of its entries are gone through."""

    passed = 0

    def __iter__(self) -> Iterator[Any]:
        for entry in super().__iter__():
            self.passed += 1
            yield entry


@pytest.mark.parametrize("servers", [40, 160])
def test_no_host_costs_a_walk_through_the_whole_fleet(servers: int) -> None:
    """Of four times the servers the table is gone through as often, so each costs the same."""
    fleet = of(servers)
    walked = Walked(fleet.plan.replicas)
    fleet.plan.__dict__["replicas"] = walked
    for host in fleet.spec.settings:
        items_of(fleet, host)
    judged(fleet, list(fleet.spec.settings), {})
    planned(fleet, list(fleet.spec.settings))
    assert 0 < walked.passed <= FEW_WALKS * len(walked)
