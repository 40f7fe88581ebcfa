"""A burn-in on this machine: torch's CPU build where the lab left it, stand-ins for the rest."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rackwright import checks
from rackwright.catalog import gpu_types
from rackwright.checks.burn_in.planned_burn_in import PlannedBurnIn
from rackwright.checks.results import Status
from rackwright.remote import burn_in, torch_burn_in
from tests.samples.torch_here import python_with_torch

H200 = gpu_types()["h200-sxm-141gb"]
TORCH = python_with_torch()
needs_torch = pytest.mark.skipif(TORCH is None, reason="no lab has left a release with torch")
MIB = 1 << 20


@pytest.fixture(autouse=True)
def this_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Units are files here, and nobody else uses the GPUs."""
    monkeypatch.setattr(burn_in, "LOCK", tmp_path / "lock")
    monkeypatch.setattr(burn_in, "_runs", lambda unit: (tmp_path / unit).exists())
    monkeypatch.setattr(burn_in, "ended", lambda *argv, **_: _said(tmp_path, argv))
    monkeypatch.setattr(burn_in.glance, "main", lambda: {"gpus": [{"processes": []}] * 2})
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    return tmp_path


def _said(folder: Path, argv: tuple[str, ...]) -> Any:
    with (folder / "said").open("a") as file:
        file.write(" ".join(argv) + "\n")
    text = (folder / "dcgm.json").read_text() if argv[0] == "dcgmi" else ""
    return subprocess.CompletedProcess(argv, 0, text, "")


def said(folder: Path) -> list[str]:
    return (folder / "said").read_text().splitlines() if (folder / "said").exists() else []


def request(python: str, burn_s: float = 0.2, **more: Any) -> dict[str, Any]:
    common = {"python": python, "user": None, "environment": {}}
    to_host = {"name": "gpu1", "gpus": [0, 1], "pairs": [], "ranks": 1, "to_host": True}
    own = {"device": "cpu", "backend": "gloo", "sizes": [MIB], "limit_s": 120, "groups": [to_host]}
    burn = {"device": "cpu", "burn_s": burn_s, "size": 64, "share": 1.0, "most_bytes": 4 * MIB}
    asked = {**common, "units": ["one"], "gpus": [0, 1], "dcgm": True}
    return {**asked, "links": {**common, **own}, "burn": burn, **more}


@needs_torch
def test_all_gpus_of_a_server_are_burned_in_at_once_by_a_real_torch(this_host: Path) -> None:
    (this_host / "one").touch()
    found = burn_in.main(request(str(TORCH)))
    assert said(this_host) == ["systemctl stop one", "systemctl --no-block start one"]
    for gpu in found["gpus"].values():
        assert gpu["rounds"] >= torch_burn_in.ROUNDS
        assert gpu["memory"]["tested_bytes"] == 4 * MIB
        assert [one["kind"] for one in gpu["products"]] == ["bfloat16", "float32"]
    planned = PlannedBurnIn("gpu1", {0: H200, 1: H200}, uses_gpus=False)
    rows = [check.ask(planned, found) for check in checks.checks_about(PlannedBurnIn)]
    assert {row.status for row in rows} == {Status.OK}, rows


# What goes wrong in a GPU, done to torch before our text is run by it.
WRONG_PRODUCT = """
import torch
whole, done = torch.matmul, 0
def matmul(left, right, out):
    global done
    done += 1
    whole(left, right, out=out)
    if done == 3:
        out[0, 1] += 1
    return out
torch.matmul = matmul
"""
ALWAYS_WRONG = """
import torch
whole = torch.Tensor.__matmul__
def product(left, right):
    found = whole(left, right)
    if found.dtype is torch.float32:
        found[:, 5] *= 1.01
    return found
torch.Tensor.__matmul__ = product
"""
WRONG_MEMORY = """
import torch
whole = torch.Tensor.fill_
def fill_(block, word):
    whole(block, word)
    if word == 0x55555555:
        block[7] ^= 0x400
torch.Tensor.fill_ = fill_
"""


def burned(spoilt: str, **more: Any) -> dict[str, Any]:
    """What one process tells of a torch that was spoilt."""
    asked = {"device": "cpu", "burn_s": 0.05, "size": 64, "share": 1.0, "most_bytes": MIB}
    text = Path(torch_burn_in.__file__).read_text()
    program = f"{spoilt}\nimport json, sys\nexec(sys.stdin.read())\nburn(json.loads(sys.argv[1]))"
    words = [str(TORCH), "-c", program, json.dumps({**asked, **more})]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@needs_torch
def test_a_product_that_is_another_once_is_found() -> None:
    half, whole = burned(WRONG_PRODUCT)["products"]
    assert (half["differ"], whole["differ"]) == (1, 0)
    assert (half["unlike_float64"], whole["unlike_float64"]) == (0, 0)


@needs_torch
def test_a_product_that_is_always_wrong_is_found_by_float64() -> None:
    half, whole = burned(ALWAYS_WRONG)["products"]
    assert half["unlike_float64"] == 0 and whole["unlike_float64"] > 0
    assert whole["differ"] > 0  # the others are right


@needs_torch
def test_a_bit_of_memory_that_flips_is_found_with_its_place() -> None:
    memory = burned(WRONG_MEMORY)["memory"]
    blocks = memory["tested_bytes"] // (4 * (torch_burn_in.BLOCK_WORDS >> 6))
    assert memory["wrong_words"] == blocks == 1
    assert memory["first"] == ["byte 28: bits 00000400"]


ROUNDED = """
import sys, torch
exec(sys.stdin.read())
unlike = 0
for SEED in range(7, 12):
    for size in (64, 512):
        for kind in ("bfloat16", "float16", "float32"):
            unlike += Product(torch, "cpu", kind, size).unlike
print(unlike)
"""


@needs_torch
def test_rounding_alone_never_counts() -> None:
    text = Path(torch_burn_in.__file__).read_text()
    words = [str(TORCH), "-c", ROUNDED]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


STAND_IN = """#!{python}
import json, os, signal, subprocess, sys, time
from pathlib import Path
folder = Path({folder!r})
if os.environ.get("RANK"):
    print(json.dumps({{"device": "cpu", "copies": [], "all_reduces": [], "host_copies": []}}))
    sys.exit()
index = os.environ["CUDA_VISIBLE_DEVICES"]
(folder / f"pid{{index}}").write_text(str(os.getpid()))
{act}
print("noise"); print(json.dumps({{"gpu": index}}))
"""


def stand_in(folder: Path, act: str) -> str:
    """An interpreter that is none: it acts instead of running what it is given."""
    path = folder / "python"
    path.write_text(STAND_IN.format(python=sys.executable, folder=str(folder), act=act))
    path.chmod(0o755)
    return str(path)


def gone(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def test_each_gpu_has_a_process_of_its_own(this_host: Path) -> None:
    found = burn_in.main(request(stand_in(this_host, "")))
    assert found["gpus"] == {"0": {"gpu": "0"}, "1": {"gpu": "1"}}
    assert found["dcgm"] == {"installed": False}


def test_a_gpu_that_fails_says_why_and_the_others_go_on(this_host: Path) -> None:
    act = "if index == '1': sys.exit('CUDA error: uncorrectable ECC error encountered')"
    found = burn_in.main(request(stand_in(this_host, act)))["gpus"]
    assert found["0"] == {"gpu": "0"}
    assert found["1"] == {"error": "CUDA error: uncorrectable ECC error encountered"}


def test_a_gpu_that_hangs_is_ended_in_time(
    this_host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = burn_in._wait

    def wait(running: Sequence[burn_in.Running], _: float) -> None:
        """The limit is over when the other GPU is done, however long that takes."""
        while running[1].process.poll() is None or not _words(this_host / "pid0"):
            time.sleep(0.02)
        really(running, 0)

    monkeypatch.setattr(burn_in, "_wait", wait)
    found = burn_in.main(request(stand_in(this_host, "if index == '0': time.sleep(600)")))
    assert found["gpus"]["0"]["error"].startswith("it was not done in time")
    assert found["gpus"]["1"] == {"gpu": "1"}
    assert gone(int((this_host / "pid0").read_text()))


def test_a_process_of_somebody_else_is_left_alone(
    this_host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (this_host / "one").touch()
    other = [{"pid": 7, "command": "train.py"}]
    monkeypatch.setattr(burn_in.glance, "main", lambda: {"gpus": [{"processes": other}]})
    found = burn_in.main(request("/nowhere/python"))
    assert "GPU 0: process 7 (train.py)" in found["error"]
    assert said(this_host)[-1] == "systemctl --no-block start one"


def test_a_release_that_is_not_there_is_no_fault_of_a_gpu(this_host: Path) -> None:
    found = burn_in.main(request(str(this_host / "nowhere")))
    assert list(found) == ["error"] and "FileNotFoundError" in found["error"]


def test_two_burn_ins_never_meet(this_host: Path) -> None:
    with burn_in.LOCK.open("w") as lock:
        burn_in.fcntl.flock(lock, burn_in.fcntl.LOCK_EX)
        assert "another burn-in" in burn_in.main(request("/nowhere"))["error"]
    assert said(this_host) == []


def test_without_a_hearer_the_gpus_are_left_and_replicas_start_again(this_host: Path) -> None:
    """As the listener ends a script whose connection is gone: the main thread exits."""
    (this_host / "one").touch()
    asked = request(stand_in(this_host, "time.sleep(600)"))

    def exits(*_: Any) -> None:
        raise SystemExit("nobody hears the reply")

    with pytest.MonkeyPatch.context() as patched, pytest.raises(SystemExit):
        patched.setattr(burn_in, "_wait", lambda running, limit_s: _once(this_host, exits))
        burn_in.main(asked)
    pids = [int((this_host / f"pid{index}").read_text()) for index in (0, 1)]
    deadline = time.monotonic() + 30
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(map(gone, pids))
    assert said(this_host)[-1] == "systemctl --no-block start one"


def _once(folder: Path, act: Any) -> None:
    """When both have said who they are."""
    while not all(_words(folder / f"pid{index}") for index in (0, 1)):
        time.sleep(0.02)
    act()


def _words(file: Path) -> str:
    """Of a file that is there before its words."""
    return file.read_text() if file.exists() else ""


@pytest.fixture
def with_dcgm(this_host: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(burn_in.shutil, "which", lambda name: f"/usr/bin/{name}")
    yield this_host / "dcgm.json"


def test_dcgm_is_asked_where_it_is_there(with_dcgm: Path) -> None:
    with_dcgm.write_text('a line before\n{"DCGM Diagnostic": {"test_categories": []}}')
    told = burn_in._dcgm()
    assert told["said"] == {"DCGM Diagnostic": {"test_categories": []}}
    assert said(with_dcgm.parent) == ["dcgmi diag -r 2 -j"]


def test_a_dcgm_that_says_no_is_quoted(with_dcgm: Path) -> None:
    with_dcgm.write_text("Error: unable to establish a connection to the specified host")
    assert "unable to establish a connection" in burn_in._dcgm()["error"]


def test_the_worst_moment_of_a_gpu_is_kept() -> None:
    heat = burn_in.Heat([0])
    for degrees, watts, reasons in ((60, 300.0, []), (71, None, ["sw_power_cap"]), (None, 1, [])):
        seen = {"temperature_c": degrees, "power": {"draw_w": watts}, "throttle_reasons": reasons}
        heat._add(0, seen)
    assert heat.told() == {
        "0": {"samples": 3, "most_c": 71, "most_w": 300.0, "reasons": {"sw_power_cap": 1}}
    }
