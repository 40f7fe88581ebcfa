"""The process that serves the repository to lab hosts; it ends with the lab."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx

from lab import cgroups
from lab.apt.repository import PORT, URL
from lab.errors import LabError
from lab.fleet import GATEWAY_ADDRESS, LAB, RUN

GROUP = "apt-repository"
"""Its control group: by it the process is found and ended, whoever started it."""
LOG = RUN / "apt-repository.log"
READY_S = 120


def start(folder: Path) -> None:
    """Serve a folder on the lab's bridge, in place of what was served before.

    Its keys go where inventories can name them: ``.cache/lab/apt-lab.pub`` and so on.
    """
    stop()
    for key in folder.glob("*.pub"):
        shutil.copy(key, LAB / f"apt-{key.name}")
    groups = cgroups.create(GROUP)
    argv = [sys.executable, "-m", "http.server", str(PORT), "--bind", GATEWAY_ADDRESS,
            "--directory", str(folder)]  # fmt: skip
    with LOG.open("wb") as log:
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: cgroups.enter(groups),
        )
    _wait_ready()


def stop() -> None:
    """End the server, if there is one, and take its log away."""
    cgroups.kill(GROUP)
    LOG.unlink(missing_ok=True)


def _wait_ready() -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        try:
            httpx.get(URL, timeout=1).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise LabError(f"the imitated apt repository does not answer at {URL}:\n{LOG.read_text()}")
