"""Where an NVSwitch joins the GPUs, its fabric manager runs and has done its work.

NVML alone does not tell: before Hopper it says nothing of a fabric, and on Hopper it still says
"completed" when the manager has died since.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.checks.check import Check, Example
from rackwright.checks.observed import Observation
from rackwright.checks.planned import PlannedServer
from rackwright.checks.results import Finding, Status
from rackwright.checks.server.fabric_health import faults
from rackwright.checks.server.healthy import SERVER
from rackwright.checks.server.probed import SHOWS_GPUS, Probed, conclude

_START = (
    "start nvidia-fabricmanager of exactly the driver's version and see its journal; CUDA fails "
    "with error 802 until it is done"
)
_SUBNETS = 5
"""The generation of NVLink from which on a subnet manager, nvlsm, is needed too."""
_SUBNET = (
    "restart nvidia-fabricmanager, which starts it, while no engine runs; it needs the packages "
    "nvlsm and infiniband-diags and the module ib_umad"
)
_STATES = {"not_started": "is not started", "in_progress": "is not done yet"}
_UNIT = "fabric_manager"
_HEALTH = 0b01_10_10_10_10
"""A mask that says of each question that all is well."""


def judge(planned: PlannedServer, seen: Observation) -> Finding:
    """CRITICAL while the fabric is not completed, is not well, or has no manager of its own."""
    probed = Probed(seen)
    findings = list(_manager(planned, probed)) if planned.runs_fabric_manager else []
    states = set()
    for index in (place for place, gpu in enumerate(probed.gpus) if gpu):
        fabric = probed.read(index, "fabric") or {}
        findings += _of_gpu(index, fabric)
        states.add(str(fabric.get("state") or "not supported").replace("_", " "))
    manager = "its manager runs; " if planned.runs_fabric_manager else ""
    return conclude(probed, findings, f"{manager}{', '.join(sorted(states))}")


def _manager(planned: PlannedServer, probed: Probed) -> Iterator[Finding]:
    unit = probed.seen.get(_UNIT)
    if not isinstance(unit, dict) or "ActiveState" not in unit:
        why = probed.reason(_UNIT) or "not observed"
        evidence = f"whether nvidia-fabricmanager runs could not be asked ({why})"
        yield Finding(Status.UNKNOWN, evidence, "see `systemctl status nvidia-fabricmanager`")
    elif unit.get("LoadState") == "not-found":
        yield Finding(Status.CRITICAL, "nvidia-fabricmanager is not installed", _START)
    elif unit["ActiveState"] != "active" or unit.get("SubState") == "exited":
        result = unit.get("Result") or "success"
        ended = "" if result == "success" else f", it ended with {result}"
        state = "/".join(filter(None, [unit["ActiveState"], unit.get("SubState")]))
        yield Finding(Status.CRITICAL, f"nvidia-fabricmanager is {state}{ended}", _START)
    elif _nvlink(planned) >= _SUBNETS and not unit.get("nvlsm"):
        yield Finding(Status.CRITICAL, "nvlsm does not run, which NVLink 5 needs", _SUBNET)


def _nvlink(planned: PlannedServer) -> int:
    """The newest generation that the NVSwitch joins."""
    switched = [kind.gpu.nvlink for kind in planned.kinds if kind.interconnect == "nvswitch"]
    return max((links.generation for links in switched if links), default=0)


def _of_gpu(index: int, fabric: Observation) -> Iterator[Finding]:
    state, status, mask = (fabric.get(key) for key in ("state", "status", "health_mask"))
    if state in _STATES:
        evidence = f"GPU {index}: the fabric {_STATES[state]}"
        yield Finding(Status.CRITICAL, evidence, _START)
    elif state == "completed" and status:
        evidence = f"GPU {index}: the fabric failed with NVML code {status}"
        yield Finding(Status.CRITICAL, evidence, _START)
    elif state == "completed" and mask:
        for one in faults(mask):
            yield one._replace(evidence=f"GPU {index}: the fabric {one.evidence}")


def _unit(state: str, sub: str, result: str = "success", load: str = "loaded") -> dict[str, Any]:
    """What systemd says of the manager."""
    states = {"LoadState": load, "ActiveState": state, "SubState": sub, "Result": result}
    return {_UNIT: {**states, "nvlsm": False}}


def _mask(cleared: int, told: int) -> dict[str, Any]:
    """The healthy mask with one answer replaced."""
    return {"gpus.0.fabric.health_mask": _HEALTH & ~cleared | told}


CHECK = Check(
    name="fabric",
    fine="completed and healthy, or not there; its manager runs where the NVSwitch is the server's",
    judge=judge,
    healthy=SERVER.having(**_unit("active", "running")),
    applies=SHOWS_GPUS,
    examples=(
        Example(
            "a fabric that is not started", Status.CRITICAL, {"gpus.0.fabric.state": "not_started"}
        ),
        Example("a fabric in progress", Status.CRITICAL, {"gpus.0.fabric.state": "in_progress"}),
        Example("a fabric that failed", Status.CRITICAL, {"gpus.0.fabric.status": 999}),
        Example(
            "a fabric manager that died", Status.CRITICAL, _unit("failed", "failed", "exit-code")
        ),
        Example(
            "a fabric manager that is not installed",
            Status.CRITICAL,
            _unit("inactive", "dead", load="not-found"),
        ),
        Example("a fabric manager that cannot be asked", Status.UNKNOWN, {_UNIT: None}),
        Example("a fabric with less bandwidth", Status.CRITICAL, _mask(0b11, 0b01)),
        Example("a fabric that recovers its routes", Status.WARN, _mask(0b11 << 2, 0b01 << 2)),
        Example("a fabric route that does not work", Status.CRITICAL, _mask(0b11 << 4, 0b01 << 4)),
        Example("a fabric access that timed out", Status.WARN, _mask(0b11 << 6, 0b01 << 6)),
        Example("a fabric that is not configured", Status.CRITICAL, _mask(0b1111 << 8, 4 << 8)),
    ),
)
