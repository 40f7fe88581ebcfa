"""Host data as a whole."""

from __future__ import annotations

import pytest

from rackwright.inventory import reading
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.runner.host_data import pyinfra_keys
from tests.samples.faulty import (
    faults,
)
from tests.samples.fleet import (
    DEFAULTS,
    SETTINGS,
    cluster,
    hosts,
    server,
    service,
)
from tests.samples.inventories import fleet_of


def test_a_fleet_is_read_as_declared() -> None:
    fleet = load_fleet(hosts())
    assert fleet.servers["gpu1"].gpus.count == 2
    assert fleet.gateways["gw1"].port == 443
    assert fleet.services["chat"].served_as == "llama-3.1-8b-instruct"
    assert fleet.settings["gpu1"].stage_names >= {"base", "verify"}
    assert set(fleet.settings) == {"gpu1", "gw1"}


def test_keys_of_pyinfra_pass() -> None:
    data = hosts()
    data["gpu1"] |= {"ssh_hostname": "203.0.113.11", "_sudo": True, "ssh_port": 22}
    assert load_fleet(data, pyinfra_keys())


@pytest.mark.parametrize("name", ["prod.py", "local.py", "lab.py"])
def test_inventories_load_and_plan(name: str) -> None:
    assert plan(fleet_of(name)).replicas


def test_all_faults_come_at_once() -> None:
    data = hosts({"gpu1": server(count=0), "gpu2": server(12, gpu="voodoo-2")}, {"chat": {}})
    paths = {line.partition(":")[0] for line in faults(data)}
    assert paths >= {"servers[gpu1].gpus.count", "servers[gpu2].gpus.type", "services[chat].model"}


def test_a_broken_server_is_not_also_reported_as_missing() -> None:
    data = hosts({"gpu1": server(count=0)})
    assert len(faults(data)) == 1


def test_a_fleet_without_a_gateway_is_refused() -> None:
    data = hosts()
    del data["gw1"]
    assert any(line.startswith("gateways: must have at least one") for line in faults(data))


def test_a_host_must_be_something() -> None:
    data = {**hosts(), "spare": {**DEFAULTS, **SETTINGS}}
    assert faults(data) == ["hosts[spare]: must have 'server', 'gateway' or both"]


def test_services_that_differ_by_host_are_refused() -> None:
    data = hosts()
    data["gw1"]["services"] = {"chat": service(max_model_len=1024)}
    assert faults(data) == ["services: must be the same on all hosts, gpu1 and gw1 differ"]


def test_what_hosts_share_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []
    monkeypatch.setattr(reading, "too_deep", lambda value: looked_at.append(id(value)))
    many = hosts(cluster(50))
    load_fleet(many)
    assert len(looked_at) == len({id(value) for data in many.values() for value in data.values()})
    assert len(looked_at) < sum(map(len, many.values()))
