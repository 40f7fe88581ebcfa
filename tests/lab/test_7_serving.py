"""Replicas and a gateway that run and answer, and not as planned: each found by its check."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.fleet import ROOT
from rackwright.remote.served.burst import FIRST_WITHIN_S
from tests.samples.commands import PATIENCE_S, rackwright
from tests.samples.deploys import Run
from tests.samples.lab_hosts import (
    PROFILE,
    UNITS,
    replicas_out,
    show_gpus,
    ssh,
    wait_until,
)

GPU2 = UNITS["gpu2"]
CONFIG = "/etc/nginx/conf.d/rackwright.conf"
DROP_IN = f"/run/systemd/system/{GPU2}.service.d"
STAND_IN = Path(__file__).with_name("stand_in_engine.py")
Found = dict[tuple[str, str], str]

# What is wrong with the engine; what is then said of its replica, and of no other.
WRONG: dict[str, dict[str, str]] = {
    "nothing": {},
    "version": {"version": "CRITICAL"},
    "model": {"model": "CRITICAL", "completion": "CRITICAL", "delivery": "UNKNOWN"},
    "completion": {"completion": "CRITICAL", "delivery": "UNKNOWN"},
    "stream": {"delivery": "CRITICAL"},
    "metrics": {"KV cache": "UNKNOWN"},
    "files": {"open files": "WARN"},
}
FLEET = "/etc/nginx/rackwright/fleet.json"
LOAD = "curl -s --unix-socket /run/rackwright-gateway/state.sock -X POST http://localhost/load"
WITHOUT_ONE = f"""
import json
data = json.load(open("{FLEET}"))
del data["services"]["chat"]["replicas"][1]
json.dump(data, open("{FLEET}", "w"))
"""
# Host, what breaks it, what mends it, all that is then said.
BROKEN: dict[str, tuple[str, str, str, Found]] = {
    "half the upstream missing": (
        "gw1",
        f"cp -p {FLEET} /run/fleet; python3 -c '{WITHOUT_ONE}'; {LOAD}",
        f"cp -p /run/fleet {FLEET}; {LOAD}",
        {("chat", "upstream"): "CRITICAL", ("chat", "gateway completion"): "WARN"},
    ),
    "a configuration that is not loaded": (
        "gw1",
        f"cp -p {CONFIG} /run/config; echo '# more' >> {CONFIG}; touch -d '1 minute' {CONFIG}",
        f"cp -p /run/config {CONFIG}",
        {("chat", "upstream"): "WARN"},
    ),
    "a disk that is full": (
        "gpu2",
        "mount -t tmpfs -o size=4m tmpfs /var/log",
        "umount --lazy /var/log",
        {("gpu2", "disk"): "CRITICAL"},
    ),
}


def alarms() -> Found:
    """(subject, check) to status of every row that is not OK."""
    done = rackwright("verify", "inventories/lab.py", "--json")
    assert "Traceback" not in done.stderr, done.stderr
    rows = json.loads(done.stdout)["results"]
    return {(r["subject"], r["check"]): r["status"] for r in rows if r["status"] != "OK"}


def test_a_fleet_as_planned_gives_no_alarm(deployed: Run) -> None:
    assert alarms() == {}


@pytest.mark.parametrize(("host", "harm", "mend", "said"), BROKEN.values(), ids=BROKEN)
def test_a_fault_is_found_by_the_check_that_is_about_it(
    deployed: Run, host: str, harm: str, mend: str, said: Found
) -> None:
    ssh(host, harm)
    try:
        assert alarms() == said
    finally:
        ssh(host, mend)


@pytest.mark.parametrize(
    ("busy", "status", "words"),
    [
        ((90, 88), "OK", "GPU 0: 90 %, GPU 1: 88 %"),
        ((90, 40), "WARN", "GPU 1 works less than GPU 0"),
        ((90, 0), "CRITICAL", "GPU 1 does nothing while requests run"),
    ],
)
def test_gpus_are_watched_while_a_burst_of_requests_runs(
    deployed: Run, busy: tuple[int, int], status: str, words: str
) -> None:
    """NVML's stand-in says how busy the GPUs are; the requests and the watching are real."""
    values, before = iter(busy), ssh("gpu1", f"cat {PROFILE}") + "\n"
    alike = re.sub(r"(?m)^ClockInfo=.*", "ClockInfo=-,1980", before)
    show_gpus(re.sub(r"UtilizationRates=.*", lambda _: f"UtilizationRates={next(values)},1", alike))
    argv = [sys.executable, "-m", "tests.lab.burst_to_gpu1"]
    try:
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    finally:
        show_gpus(before)
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["status"], words in found["evidence"]) == (status, True), found
    burst = found["burst"]
    assert burst["requests"] + burst["others"] == 8  # the gateway's own may be under way
    assert burst["errors"] == [] and burst["tokens"] > 10
    assert 3 <= burst["seconds"] < 3 + FIRST_WITHIN_S  # when the last one is given up


STRANGER = """
import socket
one = socket.create_server(("198.18.0.12", 8000))
while True:
    connection, _ = one.accept()
    connection.settimeout(1)
    try:
        heard = connection.recv(65536)
    except OSError:
        heard = b""
    with open("/run/heard", "ab") as file:
        file.write(b"connected;" + heard)
    connection.close()
"""


def test_a_key_goes_to_the_unit_s_own_process_alone(deployed: Run) -> None:
    """The engine has none and takes any; who holds the port while it is down gets none."""
    environment, key = "/etc/rackwright/replicas/chat-gpu2-0.env", "a-key-of-the-fleet"
    ssh("gpu2", f"cp -p {environment} /run/env; echo 'VLLM_API_KEY=\"{key}\"' >> {environment}")
    try:
        assert alarms() == {}
        ssh("gpu2", f"systemctl stop {GPU2}; cat > /run/stranger.py <<'END'\n{STRANGER}END")
        ssh("gpu2", "systemd-run -q --unit stranger python3 /run/stranger.py")
        wait_until(lambda: "8000" in ssh("gpu2", "ss -Hltn sport = 8000"))
        found = alarms()
        assert found[("chat-gpu2-0", "identity")] == "CRITICAL"
        assert found[("chat-gpu2-0", "health")] == "CRITICAL"
        heard = ssh("gpu2", "cat /run/heard")
        assert "connected;" in heard and key not in heard
    finally:
        ssh("gpu2", f"systemctl stop stranger; cp -p /run/env {environment}; "
            f"systemctl start {GPU2}", check=False)  # fmt: skip
    wait_until(lambda: not replicas_out())  # the gateway takes it back after a completion
    assert alarms() == {}


@pytest.fixture(scope="module")
def stand_in(first_deploy: Run) -> Iterator[None]:
    """The unit of gpu2's replica runs the stand-in; afterwards the engine again."""
    words = f"[Service]\nExecStart=\nExecStart=/usr/bin/python3 {DROP_IN}/engine.py 198.18.0.12\n"
    ssh("gpu2", f"mkdir -p {DROP_IN}; cat > {DROP_IN}/a.conf <<'END'\n{words}END")
    ssh("gpu2", f"cat > {DROP_IN}/engine.py <<'END'\n{STAND_IN.read_text()}END")
    ssh("gpu2", f"echo nothing > /run/wrong; systemctl daemon-reload; systemctl restart {GPU2}")
    yield
    ssh("gpu2", f"rm -r {DROP_IN} /run/wrong; systemctl daemon-reload; systemctl restart {GPU2}")


@pytest.mark.parametrize(("wrong", "said"), WRONG.items(), ids=WRONG)
def test_an_engine_that_is_wrong_in_one_way(
    deployed: Run, stand_in: None, wrong: str, said: dict[str, str]
) -> None:
    ssh("gpu2", f"echo {wrong} > /run/wrong; curl -s 198.18.0.12:8000/health")
    found = alarms()
    of_replica = {check: status for (name, check), status in found.items() if "gpu" in name}
    assert of_replica == said
    assert ("chat", "gateway completion") in found or wrong not in ("model", "completion")
