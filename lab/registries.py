"""The machine's ways to its package registries, handed on to the hosts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

TRUST = "/etc/ssl/certs/ca-certificates.crt"


@cache
def _pip_settings() -> dict[str, str]:
    """What `pip config list` says on this machine: name (without its section) to value."""
    argv = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(argv, capture_output=True, text=True, env=_plain_env()).stdout
    pairs = (line.split("=", 1) for line in lines.splitlines() if "=" in line)
    return {name.rpartition(".")[2]: value.strip("'\"") for name, value in pairs}


def _plain_env() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PIP_DISABLE_PIP_VERSION_CHECK"}


@cache
def find_links() -> tuple[str, ...]:
    """Folders of wheels that this machine's pip is told to look in."""
    found = _pip_settings().get("find-links", "").split()
    return tuple(folder for folder in found if Path(folder).is_dir())


def install(root: Path, uv_cache: str) -> None:
    """Write pip's and uv's system-wide settings into a host.

    Without a folder that holds the CPU build of torch, uv is told to take it from PyTorch's own
    index (``torch-backend``); where there is one, that index is not asked.
    """
    index = _pip_settings().get("index-url")
    pip = ["[global]", f"cert = {TRUST}", "disable-pip-version-check = 1"]
    uv = [f"cache-dir = {json.dumps(uv_cache)}", 'link-mode = "symlink"', "system-certs = true"]
    if index:
        pip.append(f"index-url = {index}")
        uv.append(f"index-url = {json.dumps(index)}")
    uv.append("[pip]")
    if find_links():
        pip.append(f"find-links = {' '.join(find_links())}")
        uv.append(f"find-links = {json.dumps(list(find_links()))}")
    else:
        uv.append('torch-backend = "cpu"')
    (root / "etc/pip.conf").write_text("\n".join(pip) + "\n")
    (root / "etc/uv").mkdir(exist_ok=True)
    (root / "etc/uv/uv.toml").write_text("\n".join(uv) + "\n")
