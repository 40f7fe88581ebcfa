"""`rackwright watch` over a real fleet: scripted, with a dead host, and ended with Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lab.fleet import ROOT
from lab.host import cable
from tests.samples.commands import BIN, PATIENCE_S, rackwright
from tests.samples.deploys import Run
from tests.samples.lab_hosts import ssh, wait_until

DEAD = "tests/lab/inventories/dead.py"
MANY = (
    "for n in 1 2 3 4 5 6 7 8; do curl -sk --max-time 20 https://localhost/v1/completions "
    "-H 'Host: llm.lab.example' -H 'Content-Type: application/json' "
    """-d '{"model":"tiny-llama","prompt":"a","max_tokens":400,"ignore_eos":true}' """
    ">/dev/null & done"
)


def watch(*words: str) -> subprocess.Popen[str]:
    argv = [str(BIN / "rackwright"), "watch", *words]
    return subprocess.Popen(
        argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_one_reading_shows_every_gpu_and_replica(deployed: Run) -> None:
    done = rackwright("watch", "inventories/lab.py", "--count", "1")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    gpus = [line[:3] for line in lines if line[2:3] == ["H200"]]
    assert gpus == [["gpu1", "0", "H200"], ["gpu1", "1", "H200"], ["gpu2", "0", "H200"]]
    replicas = [line for line in lines if line[2:3] == ["active"]]
    assert [line[1] for line in replicas] == ["chat-gpu1-0", "chat-gpu2-0"]
    assert all(line[3:] == ["0", "0", "0.0", "%", "-"] for line in replicas)


def test_tokens_a_second_come_from_two_readings(deployed: Run) -> None:
    running = watch("inventories/lab.py", "--count", "6", "--interval", "2")
    assert running.stdout is not None and running.stderr is not None
    out = running.stdout.readline()  # it looks already when the requests begin
    ssh("gw1", MANY)
    out += running.stdout.read()
    assert running.wait(timeout=PATIENCE_S) == 0, running.stderr.read()
    rates = [line.split()[-1] for line in out.splitlines() if " active " in line]
    assert len(rates) == 12 and rates[0] == "-"
    assert any(float(rate.replace(",", "")) > 0 for rate in rates if rate != "-"), out


def test_a_dead_host_is_one_row_and_holds_up_nobody(deployed: Run) -> None:
    done = rackwright("watch", DEAD, "--count", "3", "--interval", "1")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    readings = done.stdout.strip().split("\n\n20")
    for text in readings:
        assert len([line for line in text.splitlines() if "gpu3" in line]) == 1
        assert "chat-gpu2-0" in text


def port_of(host: str, state: str) -> None:
    """Plug the host's cable out of the bridge, or in again."""
    subprocess.run(["ip", "link", "set", cable(host), state], check=True)


def test_a_host_that_is_cut_off_holds_up_nobody_and_comes_back(
    deployed: Run, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    argv = [str(BIN / "rackwright"), "watch", "inventories/lab.py", "--interval", "1"]

    def last(count: int = 1) -> str:
        """The last whole readings."""
        return "\n".join(shown.read_text().split("\n\n20")[-1 - count : -1])

    with shown.open("w") as out, subprocess.Popen(argv, cwd=ROOT, stdout=out) as running:
        try:
            wait_until(lambda: "chat-gpu2-0" in last())
            port_of("gpu2", "down")
            wait_until(lambda: "chat-gpu2-0" not in last() and "gpu2" in last())
            assert "chat-gpu1-0" in last()
        finally:
            port_of("gpu2", "up")
        wait_until(lambda: "chat-gpu2-0" in last())
        running.send_signal(signal.SIGINT)
    assert running.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_it_cleanly(deployed: Run, number: int) -> None:
    running = watch("inventories/lab.py", "--interval", "1")
    assert running.stdout is not None and running.stderr is not None
    running.stdout.readline()
    os.kill(running.pid, number)
    assert "chat-gpu1-0" in running.stdout.read()
    assert (running.wait(timeout=PATIENCE_S), running.stderr.read()) == (0, "")
