"""What an operator sees for a wrong inventory: one message, every fault, an exit code, at once."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.samples.commands import BIN, run

BROKEN = "tests/data/inventories/broken.py"
FAULTS = """\
7 faults in the inventory; no host was touched
  servers[gpu1].gpus.count: must be 1 to 16 (got 0)
  servers[gpu2].interconect: is not a known key, did you mean 'interconnect'?
  servers[gpu3].interconnect: NVIDIA L40S has pcie only (got 'nvlink')
  services[chat].engine: is not a known engine, did you mean 'vllm'? (got 'vlm')
  services[chat].model: is not a known model, did you mean 'llama-3.3-70b-instruct'? \
(got 'llama-3.3-70b')
  services[chat].objective: must be one of latency, throughput (got 'fast')
  services[chat].servers: is not a known server, did you mean 'gpu3'? (got 'gpu9')
"""


@pytest.mark.parametrize(
    "argv",
    [
        *(
            ("rackwright", verb, BROKEN)
            for verb in ("plan", "preflight", "verify", "drift", "watch", "bandwidth")
        ),
        ("rackwright", "why", BROKEN, "chat-gpu1-0"),
        ("rackwright", "diff", BROKEN, "gpu1", "gpu2"),
        ("pyinfra", BROKEN, "deploy.py", "-y"),
    ],
    ids=lambda argv: argv[1] if argv[0] == "rackwright" else argv[0],
)
def test_every_fault_at_once_and_no_host_touched(argv: tuple[str, ...]) -> None:
    done = run(*argv)
    assert done.returncode == (65 if argv[0] == "rackwright" else 1)
    assert FAULTS in done.stderr
    assert "Traceback" not in done.stderr
    assert "Connecting" not in done.stderr and "Connected" not in done.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "@ssh/192.0.2.1", "@local", "@chroot/nowhere"])
def test_no_host_is_connected_to_whatever_its_connector(tmp_path: Path, host: str) -> None:
    """pyinfra connects to all hosts before it loads deploy.py, which judges them once more."""
    inventory = tmp_path / "alone.py"
    inventory.write_text(f'boxes = [("{host}", {{"server": {{"adress": "10.0.0.1"}}}})]\n')
    done = run("pyinfra", str(inventory), "deploy.py", "-y")
    assert done.returncode == 1
    assert "].adress: is not a known key, did you mean 'address'?" in done.stderr
    assert "Traceback" not in done.stderr and "Connect" not in done.stderr


def test_a_run_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "boxes.py").write_text("boxes = ['@local']\n")
    (tmp_path / "own.py").write_text("from pyinfra.operations import server\n")
    for operation in (("exec", "--", "true"), (str(tmp_path / "own.py"),)):
        done = run("pyinfra", str(tmp_path / "boxes.py"), *operation, "-y")
        assert done.returncode == 0 and "Connected" in done.stderr, done.stderr


def test_an_unknown_replica_is_refused_with_the_nearest() -> None:
    done = run("rackwright", "why", "inventories/lab.py", "chat-gpu1")
    assert done.returncode == 67
    assert "replica 'chat-gpu1' is not known, did you mean 'chat-gpu1-0'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_stage_is_refused() -> None:
    done = run("pyinfra", "inventories/prod.py", "deploy.py", "-y", "--data", "stages=gatway")
    assert done.returncode == 1
    assert "stages" in done.stderr and "gateway" in done.stderr
    assert "Traceback" not in done.stderr and "Connected" not in done.stderr


@pytest.mark.parametrize("code", ["servers = [\n", "import sys\nsys.exit(0)\n", "raise OSError\n"])
def test_an_inventory_that_does_not_run_is_named(tmp_path: Path, code: str) -> None:
    inventory = tmp_path / "typo.py"
    inventory.write_text(code)
    done = run("rackwright", "plan", str(inventory))
    assert done.returncode == 65
    assert str(inventory) in done.stderr and "Traceback" not in done.stderr


def test_not_a_report_is_refused(tmp_path: Path) -> None:
    done = run("rackwright", "report", str(tmp_path / "none.json"))
    assert done.returncode == 65
    assert "is not a report" in done.stderr and "Traceback" not in done.stderr


def test_an_inventory_may_import_what_lies_beside_it_as_under_pyinfra(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("hosts = []\n")
    (tmp_path / "inventory.py").write_text("from own import hosts\nrack = hosts\n")
    argv = [str(BIN / "rackwright"), "plan", "inventory.py"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert "services: must name at least one service" in done.stderr  # it was read, and judged
