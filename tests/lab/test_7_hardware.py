"""Hardware that is not as declared: shown to the real probe by the NVML stand-in's profile."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lab.fleet import LAB
from rackwright.checks import checks_about
from rackwright.checks.planned import PlannedHost, PlannedServer
from tests.samples.commands import rackwright
from tests.samples.deploys import Run
from tests.samples.gpu_faults import FAULTS, Fault
from tests.samples.lab_hosts import PROFILE, show_gpus, ssh


def statuses(inventory: str = "inventories/lab.py") -> dict[tuple[str, str], str]:
    """(host, check) to status of the hosts' own checks."""
    done = rackwright("verify", inventory, "--json")
    assert "Traceback" not in done.stderr, done.stderr
    rows = json.loads(done.stdout)["results"]
    return {
        (row["host"], row["check"]): row["status"] for row in rows if row["subject"] == row["host"]
    }


@pytest.fixture
def profile(deployed: Run) -> Iterator[str]:
    """The profile of gpu1, put back afterwards."""
    text = ssh("gpu1", f"cat {PROFILE}") + "\n"
    yield text
    show_gpus(text)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_by_exactly_the_right_check(profile: str, fault: Fault) -> None:
    broken = fault.break_(profile)
    assert broken != profile
    show_gpus(broken)
    found = statuses()
    assert {key: value for key, value in found.items() if value != "OK"} == {
        ("gpu1", fault.check): fault.status
    }


def test_a_healthy_fleet_gives_no_alarm_and_a_dead_host_is_one_row(deployed: Run) -> None:
    found = statuses()
    assert set(found.values()) == {"OK"}
    of_hosts = 3 * len(checks_about(PlannedHost)) - 2  # a gateway has no firewall, no watchdog
    assert len(found) == 2 * len(checks_about(PlannedServer)) + of_hosts
    dead = statuses(inventory="tests/lab/inventories/dead.py")
    assert dead == {**found, ("gpu3", "reached"): "CRITICAL"}


def test_the_exit_code_is_that_of_the_worst_check(deployed: Run) -> None:
    assert rackwright("verify", "tests/lab/inventories/dead.py").returncode == 2


def test_discover_prints_what_the_checks_then_accept(deployed: Run) -> None:
    done = rackwright("discover", "gpu1", "gpu2", "--ssh-config", str(LAB / "ssh_config"))
    assert done.returncode == 0, done.stderr
    assert "'count': 2}" in done.stdout and "'interconnect': 'nvswitch'" in done.stdout
    assert "'count': 1}" in done.stdout and "'interconnect': 'none'" in done.stdout
    assert "driver 580.159.04" in done.stdout
