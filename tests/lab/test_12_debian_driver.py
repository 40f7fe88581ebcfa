"""Debian's own driver packages, really installed on Debian 12 and 13; no module can be loaded."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.samples.commands import rackwright
from tests.samples.deploys import Run, deploy
from tests.samples.driver_stage import INSTALLED, only, setting, states
from tests.samples.lab_hosts import fresh, ssh

INVENTORY = "tests/lab/inventories/debian_driver.py"
HOSTS = ("deb12", "deb13")
ACCEPTED = setting("driver_accept", "kernel-headers,kernel-version")


@pytest.fixture(scope="module")
def tried() -> Iterator[dict[str, Future[None]]]:
    """Each host, and how it went there: both at once, for apt and dpkg use one core."""
    with fresh(*HOSTS), ThreadPoolExecutor(len(HOSTS)) as pool:
        yield {host: pool.submit(install_all_but_the_module, host) for host in HOSTS}


def install(host: str, *words: str) -> tuple[Run, str]:
    """A run of the driver stage, and its words without line breaks."""
    run = deploy(*only([host], *words), inventory=INVENTORY)
    return run, " ".join(run.words.split())


def verified(host: str) -> dict[str, tuple[str, str]]:
    """Check to status and evidence, for one host."""
    rows = json.loads(rackwright("verify", INVENTORY, "--json").stdout)["results"]
    return {
        row["check"]: (row["status"], row["evidence"]) for row in rows if row["subject"] == host
    }


def install_all_but_the_module(host: str) -> None:
    before = states(host)
    run, words = install(host)
    assert run.code == 1
    assert "the headers of the running kernel are not there" in words
    assert f"no archive of the host has linux-headers-{os.uname().release}" in words
    assert f"the host runs {os.uname().release}" in words  # newer than the driver builds on
    there = re.search(r"nvidia-open-kernel-dkms \S+ \(but ([0-9.]+)", words)
    assert there, words  # no version is called 999.99, and the refusal names those that there are
    assert states(host) == before

    version = there.group(1)
    run, words = install(host, *setting("driver_version", version), *ACCEPTED)
    assert run.code == 1
    assert f"the kernel module of driver {version} could not be loaded" in words
    assert "Module nvidia-current-open not found" in words
    rows = [line.split() for line in ssh(host, INSTALLED).splitlines()]
    installed = {name: (status, found) for name, status, found in rows}
    for name in ("libcuda1", "libnvidia-ml1", "nvidia-smi", "nvidia-open-kernel-dkms"):
        status, found = installed[name]
        assert (status, found.rpartition("-")[0]) == ("hi", version)
    assert f"nvidia-current-open/{version}: added" in ssh(host, "dkms status")
    assert "couldn't communicate with the NVIDIA driver" in ssh(host, "nvidia-smi", check=False)
    unloaded = "NVMLError_DriverNotLoaded: Driver Not Loaded"  # said by NVIDIA's own library
    assert verified(host)["driver"] == ("CRITICAL", unloaded)

    history = "cat /var/log/apt/history.log"
    log = ssh(host, history)
    run, words = install(host, *setting("driver_version", version), *ACCEPTED)
    assert "could not be loaded" in words
    assert ssh(host, history) == log  # what is there is not installed again


@pytest.mark.parametrize("host", HOSTS)
def test_real_packages_are_installed_up_to_the_module_and_what_is_missing_is_said(
    tried: dict[str, Future[None]], host: str
) -> None:
    tried[host].result()
