"""The fabric of an NVSwitch: its manager, and what NVML's mask says of its health."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest

from rackwright import catalog
from rackwright.checks.results import CheckResult, Status
from rackwright.checks.server import fabric_health
from tests.samples.probes import Probe, planned, results, seen

OK, WARN, UNKNOWN, CRITICAL = Status.OK, Status.WARN, Status.UNKNOWN, Status.CRITICAL
WELL = {"state": "completed", "status": 0, "health_mask": 0}


def found(probe: Probe, **server: Any) -> CheckResult:
    return results(probe, planned(**server))["fabric"]


def completed(mask: Any = 0) -> Probe:
    probe = seen()
    for gpu in probe["gpus"]:
        gpu["fabric"] = {**WELL, "health_mask": mask}
    return probe


def managed(**unit: str) -> dict[str, str]:
    return {"LoadState": "loaded", "ActiveState": "active", "SubState": "running", **unit}


DEAD = {
    "died": managed(ActiveState="failed", SubState="failed", Result="exit-code"),
    "stopped": managed(ActiveState="inactive", SubState="dead"),
    "starting": managed(ActiveState="activating", SubState="start"),
    "restarted again and again": managed(ActiveState="activating", SubState="auto-restart"),
    "gone": managed(SubState="exited"),
    "not installed": managed(LoadState="not-found", ActiveState="inactive", SubState="dead"),
    "masked": managed(LoadState="masked", ActiveState="inactive", SubState="dead"),
}


@pytest.mark.parametrize("unit", DEAD.values(), ids=DEAD)
@pytest.mark.parametrize("state", ["not_supported", "completed"])
def test_a_manager_that_does_not_run(unit: dict[str, str], state: str) -> None:
    """NVML says nothing of it before Hopper, and "completed" still on Hopper."""
    probe = completed()
    for gpu in probe["gpus"]:
        gpu["fabric"]["state"] = state
    probe["fabric_manager"] = unit
    result = found(probe)
    assert result.status is CRITICAL
    assert "nvidia-fabricmanager is" in result.evidence
    assert "start nvidia-fabricmanager" in result.remedy


def test_one_that_runs_is_told() -> None:
    assert found(seen()).status is OK
    assert found(seen()).evidence.startswith("its manager runs; ")


@pytest.mark.parametrize("unit", [None, {}, [], "active", {"LoadState": "loaded"}])
def test_one_that_cannot_be_asked_is_unknown(unit: Any) -> None:
    probe = {**completed(), "fabric_manager": unit}
    probe["unavailable"]["fabric_manager"] = "FileNotFoundError: systemctl"
    result = found(probe)
    assert result.status is UNKNOWN and "systemctl" in result.evidence


@pytest.mark.parametrize(
    "server",
    [{"interconnect": "nvlink"}, {"interconnect": "pcie"}, {"runs_fabric_manager": False}],
    ids=["nvlink", "pcie", "guest"],
)
def test_only_where_the_switch_is_the_servers_own(server: dict[str, Any]) -> None:
    """A guest's runs on its host."""
    probe = completed()
    probe["fabric_manager"] = DEAD["not installed"]
    assert found(probe, **server).status is OK
    del probe["fabric_manager"]
    assert found(probe, **server).status is OK


@pytest.mark.parametrize(
    ("nvlsm", "status"), [(True, OK), (False, CRITICAL), (None, CRITICAL)], ids=str
)
def test_nvlink_5_needs_its_subnet_manager_too(nvlsm: bool | None, status: Status) -> None:
    """The unit starts it, and stays active when it has died."""
    probe = {**completed(), "fabric_manager": {**managed(), "nvlsm": nvlsm}}
    assert found(probe).status is OK, "NVLink 4 has none"
    result = found(probe, gpu=catalog.gpu_types()["b200-sxm-180gb"])
    assert result.status is status
    assert status is OK or "nvlsm does not run" in result.evidence


# --- the mask ------------------------------------------------------------------------------------

NAMES = "NVML_GPU_FABRIC_HEALTH_MASK"
QUESTIONS = ("DEGRADED_BW", "ROUTE_RECOVERY", "ROUTE_UNHEALTHY", "ACCESS_TIMEOUT_RECOVERY")


def bits(question: str, answer: str) -> int:
    """By the names of nvml.h, as NVIDIA's own module has them."""
    told = getattr(pynvml, f"{NAMES}_{question}_{answer}")
    return int(told << getattr(pynvml, f"{NAMES}_SHIFT_{question}"))


FINE = sum(bits(each, "FALSE") for each in QUESTIONS)
FINE |= bits("INCORRECT_CONFIGURATION", "NONE")
SICK = {
    "bandwidth": (bits("DEGRADED_BW", "TRUE"), CRITICAL, "less bandwidth"),
    "recovery": (bits("ROUTE_RECOVERY", "TRUE"), WARN, "being recovered"),
    "route": (bits("ROUTE_UNHEALTHY", "TRUE"), CRITICAL, "does not work"),
    "time-out": (bits("ACCESS_TIMEOUT_RECOVERY", "TRUE"), WARN, "timed out"),
    "manager": (bits("GFM_STATE", "DISCONNECTED"), WARN, "lost its manager"),
    **{
        name: (bits("INCORRECT_CONFIGURATION", name), CRITICAL, "is configured with")
        for name in (
            "INCORRECT_SYSGUID",
            "INCORRECT_CHASSIS_SN",
            "NO_PARTITION",
            "INSUFFICIENT_NVLINKS",
            "INCOMPATIBLE_GPU_FW",
            "INVALID_LOCATION",
            "GPU_STATE_INVALID",
        )
    },
    "all of a kind": (0b11, UNKNOWN, "not known"),
    "a later configuration": (0xF << 8, UNKNOWN, "not known"),
}


@pytest.mark.parametrize("mask", [0, FINE, FINE | bits("GFM_STATE", "CONNECTED"), None])
def test_a_healthy_mask_or_none_is_no_alarm(mask: int | None) -> None:
    assert found(completed(mask)).status is OK


@pytest.mark.parametrize(("mask", "status", "text"), SICK.values(), ids=SICK)
def test_what_a_mask_says(mask: int, status: Status, text: str) -> None:
    result = found(completed(mask))
    assert result.status is status
    assert f"GPU 1: the fabric {text}" in result.evidence or text in result.evidence
    assert result.remedy
    assert found(completed(mask), runs_fabric_manager=False).status is status, "of a guest too"


@pytest.mark.parametrize("mask", ["x", -1, 1.5, [1]])
def test_a_mask_that_is_none_is_unknown(mask: Any) -> None:
    assert found(completed(mask)).status is UNKNOWN


def test_a_fabric_that_is_not_there_has_no_health() -> None:
    probe = completed(bits("ROUTE_UNHEALTHY", "TRUE"))
    for gpu in probe["gpus"]:
        gpu["fabric"]["state"] = "not_supported"
    assert found(probe).status is OK


def test_every_question_of_the_header_is_judged() -> None:
    shifts = {
        name.partition("SHIFT_")[2] for name in vars(pynvml) if name.startswith(f"{NAMES}_SHIFT_")
    }
    known = {*QUESTIONS, "INCORRECT_CONFIGURATION", "GFM_STATE", "PARTITION_ASSIGNED"}
    assert shifts == known, "a later header asks more: judge it in fabric_health"
    assert {shift for shift, *_ in fabric_health._QUESTIONS} == {
        getattr(pynvml, f"{NAMES}_SHIFT_{name}") for name in QUESTIONS
    }
