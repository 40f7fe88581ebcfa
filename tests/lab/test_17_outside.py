"""A host on which nothing of ours runs: connections that break, and an NVSwitch's own manager."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from lab.fleet import LAB, ROOT
from rackwright.runner.travelling import loader, message
from tests.samples.commands import BIN, rackwright
from tests.samples.lab_hosts import PROFILE, fresh, ssh, wait_until

INVENTORY = "tests/lab/inventories/outside.py"
HOST = "rack8"
HANGS = "/usr/local/sbin/nginx"
OURS = "pgrep -f '[c]lass Travelled' || true"
ITS_CHILD = "pgrep -f '[s]leep 6000' || true"
ASKED = {
    "replicas": [],
    "folders": [],
    "gateway": {
        "server_name": "x",
        "port": 443,
        "host_names": ["x"],
        "certificate": None,
        "certificate_file": "/nowhere/a.crt",
        "names": [],
        "loads": [],
        "fleet_path": "/nowhere/fleet.json",
        "socket": "/nowhere/state.sock",
        "services": [],
        "failover": None,
    },
}
TREE = ROOT / "lab" / "apt" / "tree" / "nvidia-fabricmanager"


@pytest.fixture(scope="module", autouse=True)
def host() -> Iterator[None]:
    with fresh(HOST):
        yield


# --- a connection that breaks ------------------------------------------------------------------


@pytest.fixture
def hanging() -> Iterator[None]:
    """nginx, which a gateway is asked about, never answers (a stand-in, first in PATH)."""
    script = "#!/bin/sh\\n# Stand-in of the lab: hangs.\\nexec sleep 6000\\n"
    ssh(HOST, f"printf '{script}' > {HANGS} && chmod 755 {HANGS}")
    yield
    ssh(HOST, f"rm {HANGS}; pkill -KILL -f '[s]leep 6000'; true")


def is_asking() -> bool:
    return bool(ssh(HOST, OURS)) and bool(ssh(HOST, ITS_CHILD))


def test_what_a_controller_asked_ends_when_it_is_killed(hanging: None) -> None:
    argv = [str(BIN / "rackwright"), "verify", INVENTORY, "--json"]
    running = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(is_asking)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    wait_until(lambda: not ssh(HOST, OURS) and not ssh(HOST, ITS_CHILD))


@pytest.mark.parametrize("sudo", ["", "sudo -n ", "sudo -n -u root env -i PATH=$PATH "])
def test_it_ends_with_its_channel_also_where_sudo_stands_between(hanging: None, sudo: str) -> None:
    """With a monitor of its own (use_pty, the default), sudo relays what is written."""
    quoted = "'" + loader().replace("'", "'\\''") + "'"
    argv = ["ssh", "-F", str(LAB / "ssh_config"), HOST, f"{sudo}python3 -c {quoted}"]
    running = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert running.stdin is not None
    running.stdin.write(message("serving", ASKED) + "\n")
    running.stdin.close()
    wait_until(is_asking)
    running.kill()
    running.wait()
    wait_until(lambda: not ssh(HOST, OURS) and not ssh(HOST, ITS_CHILD))


# --- the fabric of an NVSwitch -----------------------------------------------------------------


def put(name: str, text: str) -> None:
    argv = ["ssh", "-F", str(LAB / "ssh_config"), HOST, f"cat > {name}"]
    subprocess.run(argv, input=text, text=True, check=True, timeout=60)


def judged(check: str) -> tuple[str, str]:
    """Status and evidence of one check of the server."""
    rows = json.loads(rackwright("verify", INVENTORY, "--json", "--no-load").stdout)["results"]
    (row,) = [row for row in rows if (row["subject"], row["check"]) == (HOST, check)]
    return row["status"], row["evidence"]


@pytest.fixture
def profile() -> Iterator[str]:
    """What NVML is shown, put back afterwards."""
    text = ssh(HOST, f"cat {PROFILE}") + "\n"
    yield text
    put(PROFILE, text)


@pytest.fixture(scope="module")
def installed(host: None) -> None:
    """The lab's stand-in of fabric manager, under the unit's real name; not started yet."""
    assert judged("fabric")[0] == "CRITICAL"
    assert "nvidia-fabricmanager is not installed" in judged("fabric")[1]
    for name in ("usr/bin/nv-fabricmanager", "usr/lib/systemd/system/nvidia-fabricmanager.service"):
        put(f"/{name}", (TREE / name).read_text())
    ssh(HOST, "chmod 755 /usr/bin/nv-fabricmanager; systemctl daemon-reload")
    ssh(HOST, "touch /dev/nvidia-nvswitchctl")  # without one the manager fails, as the real one


def test_a_manager_that_died_is_found_though_nvml_says_completed(
    installed: None, profile: str
) -> None:
    assert "GpuFabricInfo=0,0,3" in profile
    assert judged("fabric")[0] == "CRITICAL"  # it was never started
    ssh(HOST, "systemctl start nvidia-fabricmanager")
    assert judged("fabric") == ("OK", "its manager runs; completed")
    ssh(HOST, "systemctl kill --signal KILL nvidia-fabricmanager")
    status, evidence = judged("fabric")
    assert status == "CRITICAL"
    assert "nvidia-fabricmanager is failed/failed, it ended with signal" in evidence


def test_and_though_nvml_is_silent_as_before_hopper(installed: None, profile: str) -> None:
    silent = re.sub(r"^GpuFabricInfo=.*\n", "", profile, flags=re.MULTILINE)
    assert silent != profile
    put(PROFILE, silent)
    ssh(HOST, "systemctl restart nvidia-fabricmanager")
    assert judged("fabric") == ("OK", "its manager runs; not supported")
    ssh(HOST, "systemctl kill --signal KILL nvidia-fabricmanager")
    assert judged("fabric")[0] == "CRITICAL"


def test_what_nvml_says_of_its_health_and_of_what_the_driver_asks(
    installed: None, profile: str
) -> None:
    ssh(HOST, "systemctl restart nvidia-fabricmanager")
    unhealthy = profile.replace("GpuFabricInfo=0,0,3,0", "GpuFabricInfo=0,0,3,16", 1)
    assert unhealthy != profile
    put(PROFILE, unhealthy)
    assert judged("fabric") == (
        "CRITICAL", "GPU 0: the fabric has a route that does not work"
    )  # fmt: skip
    put(PROFILE, re.sub(r"^\[gpu 1\]\n", "[gpu 1]\nField.230=1\n", profile, flags=re.MULTILINE))
    status, evidence = judged("Xid errors")
    assert status == "CRITICAL" and "the driver asks for gpu reset" in evidence
