"""The checks of every deploy, as tests: hardware by the probe, replicas and services by asking."""

from __future__ import annotations

import warnings

import pytest

from rackwright.checks.results import CheckResult, Status
from rackwright.plan import Replica
from rackwright.runner.fleet import Fleet
from rackwright.spec import GatewaySpec, ServerSpec

HARDWARE = (
    "driver",
    "GPUs",
    "links",
    "PCIe",
    "memory errors",
    "Xid errors",
    "throttling",
    "MIG",
    "persistence",
    "fabric",
    "processes",
    "GPU memory",
)
SYSTEM = ("clock", "disk")
REPLICA = (
    "unit",
    "identity",
    "health",
    "model",
    "version",
    "completion",
    "delivery",
    "KV cache",
    "open files",
)
GATEWAY = ("nginx", "upstream", "closed paths", "gateway model", "gateway completion")


def judge(seen: list[CheckResult], host: str, subject: str, check: str) -> None:
    """A warning passes, and is shown at the end of the run."""
    rows = [row for row in seen if row.host == host]
    about = [row for row in rows if (row.subject, row.check) == (subject, check)]
    (row,) = about or [row for row in rows if row.check in ("reached", "driver")]
    assert row.status in (Status.OK, Status.WARN), f"{row.check}: {row.evidence}; {row.remedy}"
    if row.status is Status.WARN:
        warnings.warn(f"{host} {subject} {check}: {row.evidence}; {row.remedy}", stacklevel=1)


@pytest.mark.parametrize("check", HARDWARE)
def test_hardware(seen: list[CheckResult], server: ServerSpec, check: str) -> None:
    judge(seen, server.name, server.name, check)


@pytest.mark.parametrize("check", SYSTEM)
def test_system_of_a_server(seen: list[CheckResult], server: ServerSpec, check: str) -> None:
    judge(seen, server.name, server.name, check)


@pytest.mark.parametrize("check", SYSTEM)
def test_system_of_a_gateway(seen: list[CheckResult], gateway: GatewaySpec, check: str) -> None:
    judge(seen, gateway.name, gateway.name, check)


@pytest.mark.parametrize("check", REPLICA)
def test_replica(seen: list[CheckResult], replica: Replica, check: str) -> None:
    if not replica.answers and check not in ("unit", "open files"):
        pytest.skip("a later server of its replica: the first answers for all")
    judge(seen, replica.server.name, replica.name, check)


@pytest.mark.parametrize("check", GATEWAY)
def test_service(seen: list[CheckResult], fleet: Fleet, gateway: GatewaySpec, check: str) -> None:
    for upstream in fleet.plan.upstreams:
        judge(seen, gateway.name, upstream.service.name, check)
