"""Settings: which there are, where they stand, what is said of wrong ones."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from tests.samples.faulty import (
    Cases,
    Hosts,
    faults,
)
from tests.samples.fleet import (
    hosts,
    server,
    service,
)

CASES: Cases = {
    "unknown key of a host": (
        hosts(vlm_version="1"),
        "hosts[gpu1, gw1].vlm_version: is not a known key, did you mean 'vllm_version'?",
    ),
    "no version": (
        {
            name: {k: v for k, v in data.items() if k != "vllm_version"}
            for name, data in hosts().items()
        },
        "settings[gpu1, gw1].vllm_version: is required",
    ),
    "an unknown stage": (
        hosts(stages="engines,gatway"),
        "settings[gpu1, gw1].stages: must be 'all' or a comma list of base, firewall, driver, "
        "engines, models, replicas, gateway, verify (got 'engines,gatway')",
    ),
}


@pytest.mark.parametrize(("data", "expected"), CASES.values(), ids=CASES)
def test_a_fault_is_named_with_path_rule_and_value(data: Hosts, expected: str) -> None:
    assert expected in faults(data)


def test_settings_may_be_text_and_differ_by_host() -> None:
    data = hosts()
    data["gpu1"]["base_port"] = "9000"
    fleet = load_fleet(data)
    assert fleet.settings["gpu1"].base_port == 9000
    assert fleet.settings["gw1"].base_port == 8000


def test_a_fault_of_many_hosts_is_said_once() -> None:
    many = {f"gpu{number}": server(number) for number in range(11, 31)}
    lines = faults(hosts(many, {"chat": service(servers=["gpu11"])}, base_port=0))
    assert lines == [
        "settings[gpu11, gpu12, gpu13, and 18 more].base_port: must be 1 to 65535 (got 0)"
    ]


@pytest.mark.parametrize("key", [1, None, "x"])
def test_a_strange_key_of_a_host_is_a_fault(key: Any) -> None:
    assert any(
        f"hosts[gpu1, gw1].{key}: " in line
        for line in faults({name: {**data, key: 1} for name, data in hosts().items()})
    )


@pytest.mark.parametrize(
    "python", ["3.12", ">=3.11,<3.15", "python3", "/opt/python/bin/python3.12"]
)
def test_a_python_is_a_version_a_range_a_name_or_a_path(python: str) -> None:
    spec = load_fleet(hosts({"gpu1": server()}, {"chat": service()}, engine_python=python))
    assert spec.settings["gpu1"].engine_python == python


@pytest.mark.parametrize("python", ["--help", "-h", ">=...", "=3.12", "..", "3.12; rm", "< 3", ""])
def test_what_is_no_python_is_refused(python: str) -> None:
    with pytest.raises(SpecError, match="engine_python: must be a Python interpreter, as text"):
        load_fleet(hosts({"gpu1": server()}, {"chat": service()}, engine_python=python))
