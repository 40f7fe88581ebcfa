"""The folder that looks like NVIDIA's toolkit, made from wheels."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "rackwright/remote/toolkit.py"
PARTS = ("bin/nvcc", "include/cuda.h", "lib/libcudart.so.13", "nvvm/bin/cicc")


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A venv whose wheels have brought these files."""
    venv.create(tmp_path, with_pip=False, symlinks=True)
    (packages,) = tmp_path.glob("lib/python*/site-packages")
    for part in PARTS:
        (packages / "nvidia/cu13" / part).parent.mkdir(parents=True, exist_ok=True)
        (packages / "nvidia/cu13" / part).touch()
    return tmp_path


def made(release: Path) -> subprocess.CompletedProcess[str]:
    argv = [str(release / "bin" / Path(sys.executable).name), "-c", SCRIPT.read_text()]
    return subprocess.run(argv, capture_output=True, text=True)


def test_compilers_find_what_they_look_for(release: Path) -> None:
    for _ in range(2):  # also over one that is there
        assert made(release).returncode == 0
        for part in ("bin/nvcc", "include/cuda.h", "nvvm/bin/cicc", "lib64/libcudart.so"):
            assert (release / "cuda" / part).is_file()


def test_a_lock_without_nvcc_is_said(release: Path) -> None:
    (packages,) = release.glob("lib/python*/site-packages")
    for file in (packages / "nvidia/cu13/nvvm").rglob("*"):
        if file.is_file():
            file.unlink()
    (packages / "nvidia/cu13/nvvm/bin").rmdir()
    (packages / "nvidia/cu13/nvvm").rmdir()
    done = made(release)
    assert done.returncode == 1
    assert "its lock lacks a part of NVIDIA's toolkit" in done.stderr
