"""Hardware that is not as declared: shown to the real probe by the NVML stand-in's profile."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from lab.fleet import LAB, ROOT
from rackwright.checks import HOST_CHECKS, SERVER_CHECKS
from tests.lab.conftest import BIN, Run, ssh

PROFILE = "/etc/rackwright-lab/nvml.profile"
# What is changed in the profile (of GPU 0, which comes first), and the one check that must tell.
FAULTS = {
    "a missing GPU": (r"(?s)\[gpu 1\].*", "", "GPUs", "CRITICAL"),
    "another GPU": (r"Name=NVIDIA H200", "Name=NVIDIA H100 PCIe", "GPUs", "CRITICAL"),
    "a link down": (r"NvLinkState=1,", "NvLinkState=0,", "links", "CRITICAL"),
    "x4 instead of x16": (r"CurrPcieLinkWidth=16", "CurrPcieLinkWidth=4", "PCIe", "CRITICAL"),
    "generation 3 instead of 5": (
        r"MaxPcieLinkGeneration=5",
        "MaxPcieLinkGeneration=3",
        "PCIe",
        "WARN",
    ),
    "errors not corrected": (
        r"TotalEccErrors=0,0,0,0",
        "TotalEccErrors=0,0,5,5",
        "memory errors",
        "CRITICAL",
    ),
    "rows to remap": (r"RemappedRows=0,0,0,0", "RemappedRows=0,1,1,0", "memory errors", "WARN"),
    "thermal slowdown": (
        r"CurrentClocksThrottleReasons=1",
        "CurrentClocksThrottleReasons=72",
        "throttling",
        "CRITICAL",
    ),
    "MIG left on": (r"MigMode=0,0", "MigMode=1,1", "MIG", "CRITICAL"),
    "persistence off": (r"PersistenceMode=1", "PersistenceMode=0", "persistence", "WARN"),
    "somebody else's process": (
        r"\[gpu 0\]\n",
        "[gpu 0]\nprocess=1,9663676416\n",
        "processes",
        "CRITICAL",
    ),
    "a fabric in progress": (r"GpuFabricInfo=0,0,3", "GpuFabricInfo=0,0,2", "fabric", "CRITICAL"),
}


def rackwright(*words: str) -> subprocess.CompletedProcess[str]:
    argv = [str(BIN / "rackwright"), *words]
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120)


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
    write(text)


def write(text: str) -> None:
    ssh("gpu1", f"cat > {PROFILE} <<'END'\n{text}END")


@pytest.mark.parametrize(("old", "new", "check", "status"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_found_by_exactly_the_right_check(
    profile: str, old: str, new: str, check: str, status: str
) -> None:
    broken = re.sub(old, new, profile, count=1)
    assert broken != profile
    write(broken)
    found = statuses()
    assert {key: value for key, value in found.items() if value != "OK"} == {
        ("gpu1", check): status
    }


def test_a_healthy_fleet_gives_no_alarm_and_a_dead_host_is_one_row(deployed: Run) -> None:
    found = statuses()
    assert set(found.values()) == {"OK"}
    assert len(found) == 2 * (1 + len(SERVER_CHECKS)) + 3 * len(HOST_CHECKS)
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
