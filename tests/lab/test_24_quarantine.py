"""A server put into quarantine by hand: out of traffic, seen everywhere, and back when proven.

In the order of the tests: each leaves the server as the next one needs it.
"""

from __future__ import annotations

import json
import time
from typing import Any

from tests.samples.commands import rackwright, start_rackwright
from tests.samples.deploys import LAB_INVENTORY, Run, deploy
from tests.samples.lab_hosts import UNITS, main_pid, ssh, wait_until

ACCEPTED = "tests/lab/inventories/accepted.py"
REPLICA, WHY = "chat-gpu2-0", "a card is ordered"
FOLDER = "/var/lib/rackwright/watchdog"
OUT_S = 10


def state() -> dict[str, Any]:
    """How the gateway sees gpu2's replica."""
    done = rackwright("gateway", LAB_INVENTORY, "status", "--json")
    assert done.returncode == 0, done.stderr
    gateway = json.loads(done.stdout)["gateways"]["gw1"]
    replica: dict[str, Any] = gateway["services"]["chat"]["replicas"][REPLICA]
    return replica


def rows() -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """verify's exit code, and its rows by host and check."""
    done = rackwright("verify", LAB_INVENTORY, "--json", "--no-load")
    found = json.loads(done.stdout)["results"]
    return done.returncode, {(row["host"], row["check"]): row for row in found}


def test_a_server_in_quarantine_is_out_of_traffic_within_seconds(deployed: Run) -> None:
    wait_until(lambda: state()["state"] == "in")
    done = rackwright("quarantine", LAB_INVENTORY, "gpu2", "--why", WHY)
    assert done.returncode == 0, done.stderr
    assert "gpu2 is in quarantine since" in done.stdout and f"by hand: {WHY}" in done.stdout
    began_s = json.loads(ssh("gpu2", f"cat {FOLDER}/quarantine.json"))["since"]
    wait_until(lambda: state()["state"] != "in")
    now = state()
    print(f"\nout after {now['since'] - began_s:.1f} s: {now['why']}")
    assert now["since"] - began_s < OUT_S  # by the hosts' own words, however slow this one is
    assert now["state"] == "ejected"
    assert "watchdog" in now["why"] and WHY in now["why"]
    again = rackwright("quarantine", LAB_INVENTORY, "gpu2", "--why", "another")
    assert "already in quarantine" in again.stdout and WHY in again.stdout


def test_it_is_said_wherever_one_looks(deployed: Run) -> None:
    code, found = rows()
    row = found["gpu2", "quarantine"]
    assert (code, row["status"], row["accepted"]) == (2, "CRITICAL", None)
    assert WHY in row["evidence"] and "rackwright return" in row["remedy"]
    assert found["gpu1", "quarantine"]["status"] == "OK"
    assert found["gw1", "upstream"]["status"] == "WARN"
    shown = rackwright("watch", LAB_INVENTORY, "--count", "1").stdout
    assert "gpu2 is in quarantine since" in shown and WHY in shown


def test_a_deploy_goes_on_with_the_others_and_takes_it_not_back(deployed: Run) -> None:
    """With the finding accepted it ends well, and shows it all the same."""
    pid = main_pid("gpu2", UNITS["gpu2"])
    run = deploy("--data", "stages=replicas,gateway,verify", inventory=ACCEPTED)
    assert run.code == 0, run.words[-3000:]
    (row,) = (one for one in run.report["results"] if one["check"] == "quarantine"
              and one["host"] == "gpu2")  # fmt: skip
    assert (row["status"], row["accepted"]["why"]) == ("CRITICAL", "a card is ordered")
    assert "CRITICAL accepted until" in run.words
    assert state()["state"] == "ejected"
    assert main_pid("gpu2", UNITS["gpu2"]) == pid


def test_a_server_in_no_quarantine_is_not_burned_in(deployed: Run) -> None:
    pid = main_pid("gpu1", UNITS["gpu1"])
    done = rackwright("return", LAB_INVENTORY, "gpu1")
    assert done.returncode == 67 and "gpu1 is in no quarantine" in done.stderr
    assert main_pid("gpu1", UNITS["gpu1"]) == pid


def burning() -> str:
    """Processes of torch that burn in gpu2."""
    return ssh("gpu2", "pgrep -f '[b]urn.json' || true")


def test_a_burn_in_whose_connection_dies_leaves_nothing_running_and_nothing_stopped(
    deployed: Run,
) -> None:
    running = start_rackwright("return", LAB_INVENTORY, "gpu2", "--minutes", "60")
    wait_until(lambda: bool(burning()) or running.poll() is not None)
    assert running.poll() is None, running.communicate()
    assert ssh("gpu2", f"systemctl is-active {UNITS['gpu2']} || true") == "inactive"
    running.kill()
    running.communicate()
    wait_until(lambda: not burning())
    wait_until(lambda: ssh("gpu2", f"systemctl is-active {UNITS['gpu2']} || true") != "inactive")
    assert ssh("gpu2", f"test -e {FOLDER}/quarantine.json && echo there") == "there"
    # Its turn would be over by itself within 90 s; by hand at once.
    done = rackwright("gateway", LAB_INVENTORY, "undrain", REPLICA)
    assert done.returncode == 0, done.stderr


def test_a_short_burn_in_proves_it_and_it_is_back(deployed: Run) -> None:
    """By the release's own torch, its CPU build here, while the replica is stopped."""
    pid = main_pid("gpu2", UNITS["gpu2"])
    began_s = time.monotonic()
    done = rackwright("return", LAB_INVENTORY, "gpu2", "--minutes", "0.1")
    print(f"\nback after {time.monotonic() - began_s:.1f} s\n{done.stderr}")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "gpu2 is out of quarantine" in done.stdout
    for check in ("matrix products", "memory patterns", "host copies", "completion"):
        assert f" {check} " in done.stdout
    assert main_pid("gpu2", UNITS["gpu2"]) not in (0, pid)
    wait_until(lambda: state()["state"] == "in")
    story = json.loads(ssh("gpu2", f"cat {FOLDER}/history/quarantine-*.json"))
    assert story["why"] == WHY and "after a burn-in of 0.1 minutes" in story["returned"]["how"]
    assert ssh("gpu2", f"test -e {FOLDER}/quarantine.json && echo there || echo gone") == "gone"
    code, found = rows()
    assert found["gpu2", "quarantine"]["status"] == "OK" and code in (0, 1)
