"""Driver settings that cannot be meant are faults of the inventory, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from tests.samples.fleet import hosts, server


def faults(
    gpu: str = "h100-sxm-80gb", gpus: dict[str, Any] | None = None, **changed: Any
) -> list[str]:
    """The faults of one server with a GPU of that type, with settings changed for all hosts."""
    spec = server(11, gpu, 1, "none")
    spec["gpus"] |= gpus or {}
    try:
        load_fleet(hosts({"gpu1": spec}, **changed))
    except SpecError as error:
        return [str(fault) for fault in error.faults]
    return []


CASES: list[tuple[dict[str, Any], str]] = [
    ({"driver_source": "fedora"}, "driver_source: must be one of auto, nvidia, ubuntu, debian"),
    ({"driver_version": "580"}, "driver_version: must be an exact driver version such as"),
    ({"driver_version": "581.10.01"}, "driver_version: must be of a branch that is known: 535"),
    ({"driver_version": "550.54.14"}, "vllm 0.32.0 needs CUDA 13 (got '550.54.14')"),
    ({"driver_modules": "both"}, "driver_modules: must be one of auto, open, proprietary"),
    (
        {"driver_modules": "proprietary", "driver_version": "620.10.01"},
        "driver_modules: must be open or auto: branch 620 has no proprietary modules",
    ),
    ({"driver_source": "debian"}, "driver_version: must be of a branch that debian carries: 535"),
    (
        {"driver_source": "ubuntu", "cuda_toolkit": ("13.0",)},
        "cuda_toolkit: must be empty where driver_source is ubuntu",
    ),
    (
        {"driver_source": "none", "cuda_toolkit": ("13.0",)},
        "cuda_toolkit: must be empty where driver_source is none",
    ),
    ({"cuda_toolkit": "13.0,13.9"}, "cuda_toolkit: is not a known version, did you mean"),
    ({"driver_accept": "headers"}, "driver_accept: is not a known prediction, did you mean"),
    ({"driver_repository": "ftp://x/"}, "driver_repository: must be an https:, http: or file: URL"),
    (
        {"driver_repository": "http://x/{release}/"},
        "driver_repository: must name {distribution} and {architecture} only in braces",
    ),
    ({"reboot": "always"}, "reboot: must be one of never, if-needed"),
]


@pytest.mark.parametrize(("changed", "words"), CASES, ids=[str(case[0]) for case in CASES])
def test_a_setting_that_cannot_be_meant(changed: dict[str, Any], words: str) -> None:
    assert [fault for fault in faults(**changed) if words in fault]


def test_what_is_unset_contradicts_nothing() -> None:
    assert faults() == []


def test_a_provider_s_driver_is_not_judged_by_the_pin() -> None:
    assert faults(driver_source="none", driver_version="535.10.10") == []


def test_blackwell_has_open_modules_only() -> None:
    found = faults("b200-sxm-180gb", driver_modules="proprietary")
    assert any("NVIDIA B200 runs with nothing else" in fault for fault in found)


@pytest.mark.parametrize(
    ("gpus", "words"),
    [
        ({"power_limit_w": 5}, "gpus.power_limit_w: must be 50 to 2000 (got 5)"),
        ({"ecc": "on"}, "gpus.ecc: must be True or False"),
        ({"mig": True}, "gpus.mig: must be left out: services["),
    ],
)
def test_gpus_declared_as_they_cannot_be(gpus: dict[str, Any], words: str) -> None:
    assert [fault for fault in faults(gpus=gpus) if words in fault]


def test_a_fault_of_group_data_is_said_once_for_all_hosts() -> None:
    found = faults(driver_version="581.10.01")
    assert len([fault for fault in found if "driver_version" in fault]) == 1
