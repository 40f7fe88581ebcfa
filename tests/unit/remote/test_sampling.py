"""The trial of a release on a GPU, with stand-ins for NVML and for the engine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

REMOTE = Path(__file__).resolve().parents[3] / "rackwright" / "remote"
NVML = """
class NVMLError(Exception): pass
class Info:
    def __init__(self, free): self.free = free
FREE = [{free}]
import time
time.monotonic = lambda: 0.0
def nvmlInit():
    {init}
def nvmlDeviceGetCount(): return len(FREE)
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetMemoryInfo(handle): return Info(FREE[handle] * 1024**3)
def nvmlDeviceGetUUID(handle): return f"GPU-{{handle}}"
def nvmlDeviceGetName(handle): return f"card {{handle}}"
"""


def tried(tmp_path: Path, sample: str, free: str = "1, 70", init: str = "pass") -> tuple[int, str]:
    """Exit code and words of the trial of an engine whose ``sample`` has this body."""
    (tmp_path / "pynvml.py").write_text(NVML.format(free=free, init=init))
    (tmp_path / "sample_engine.py").write_text(f"import os\ndef sample(folder):\n    {sample}\n")
    (tmp_path / "sampling.py").write_text((REMOTE / "sampling.py").read_text())
    done = subprocess.run(
        [sys.executable, "-B", str(tmp_path / "sampling.py"), "sample_engine"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout.strip()


def test_it_samples_on_the_gpu_with_the_most_free_memory(tmp_path: Path) -> None:
    body = "print('noise'); return {'GPU-1': 8}[os.environ['CUDA_VISIBLE_DEVICES']]"
    assert tried(tmp_path, body) == (0, "the engine sampled 8 tokens on card 1 in 0 s")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".py"] * 3, "nothing is left"


def test_an_engine_that_fails_ends_with_its_first_error_and_where(tmp_path: Path) -> None:
    body = (
        "print('loading')\n"
        "    try: open('/opt/no/nvcc')\n"
        "    except OSError as error: raise RuntimeError('engine core failed') from error"
    )
    code, words = tried(tmp_path, body)
    assert code == 1
    first, last = words.splitlines()
    assert first == "loading"
    assert last.startswith("the engine cannot sample on card 1: FileNotFoundError: [Errno 2]")
    assert last.endswith(f"({tmp_path}/sample_engine.py:4, sample)")


def test_an_error_told_by_another_process_has_no_frame_of_its_own(tmp_path: Path) -> None:
    """As those that pools of processes hand on: it is in words, and the one above has the place."""
    code, words = tried(
        tmp_path, "raise RuntimeError('worker died') from ValueError('in a worker')"
    )
    assert code == 1
    assert f"RuntimeError: worker died ({tmp_path}/sample_engine.py:3, sample)" in words


def test_of_a_log_without_end_the_last_lines_are_told(tmp_path: Path) -> None:
    code, words = tried(tmp_path, "print('x' * 50_000_000); print('the end'); raise ValueError")
    assert code == 1 and len(words) < 100_000
    assert "the end" in words.splitlines()


def test_an_engine_that_ends_by_itself_has_failed(tmp_path: Path) -> None:
    code, words = tried(tmp_path, "raise SystemExit('no')")
    assert code == 1 and "SystemExit: no" in words


@pytest.mark.parametrize(
    ("free", "init", "reason"),
    [
        ("", "pass", "this host shows none"),
        ("1, 1.5", "pass", "the freest has 1.5 GiB free, 2 are needed"),
        ("70", "raise NVMLError('no driver')", "NVML: no driver"),
    ],
)
def test_what_could_not_be_proven_is_said(
    tmp_path: Path, free: str, init: str, reason: str
) -> None:
    code, words = tried(tmp_path, "raise RuntimeError", free, init)
    assert code == 0
    assert words == f"not proven: that the engine samples on a GPU ({reason})"
