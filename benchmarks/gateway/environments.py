"""The other doors and the load generator, of pinned versions, kept in the cache."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from lab.fleet import CACHE, ROOT
from lab.keeping import kept
from lab.registries import find_links
from lab.shell import sh, step

HERE = Path(__file__).parent
LITELLM = HERE / "litellm-1.106.12.txt"
VLLM_ROUTER = ROOT / "rackwright/engines/requirements/vllm-router-0.1.17.txt"
VLLM = ROOT / "lab/vllm-0.32.0-cpu.txt"
_CPU_NAME = """Metadata-Version: 2.1
Name: vllm
Version: 0.32.0+cpu
"""
"""vLLM's command line asks for its own distribution, which is called otherwise in the CPU build."""


def programs(lock: Path) -> Path:
    """The programs of an environment with exactly what the lock says; made if it is not there."""
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]

    def install(folder: Path) -> None:
        with step(f"installing {lock.stem}"):
            _install(lock, folder)

    return kept(CACHE / f"{lock.stem}-{digest}", install) / "bin"


def _install(lock: Path, folder: Path) -> None:
    uv, python = str(Path(sys.executable).parent / "uv"), str(folder / "bin/python")
    sh(uv, "venv", "--quiet", "--relocatable", str(folder))
    argv = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        python,
        "--require-hashes",
        "-r",
        str(lock),
    ]
    if lock == VLLM:  # as the lab's hosts have it
        argv += ["--no-deps", "--cache-dir", str(CACHE / "uv")]
        links = [f"--find-links={folder}" for folder in find_links()]
        sh(*argv, *(links or ["--torch-backend=cpu"]))
        (site,) = folder.glob("lib/*/site-packages")
        (site / "vllm-0.32.0+cpu.dist-info").mkdir(exist_ok=True)
        (site / "vllm-0.32.0+cpu.dist-info/METADATA").write_text(_CPU_NAME)
    else:
        sh(*argv)
