"""The way out for a lock: uv on this machine, URLs, and the fleet's hosts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.driver import sources
from rackwright.driver.plan import DriverPlan, decide
from rackwright.errors import HostError
from rackwright.locking.offered import DRIVER, SYSTEM
from rackwright.locking.outside import Answer, Wanted
from rackwright.models.outside import bounded_get
from rackwright.runner.asking import ask_all
from rackwright.runner.driver import observed
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call
from rackwright.runner.supplies import apt_of

MOST_BYTES = 32 * 1024**2
"""Of a file that is fetched to be hashed: hubs keep larger ones by their SHA-256."""
UV_LIMIT_S = 600
HOST_LIMIT_S = 880
"""A host reads its own folders of models: a gigabyte takes it a second or two, once."""
_OF_KERNELS = "linux-"
"""Packages that follow the kernel that a host runs; they are no lock's."""


@dataclass(frozen=True)
class Network:
    """``Outside`` as it is. ``token`` opens gated repositories of the hub."""

    inventory: Inventory
    fleet: FleetRun
    token: str = ""

    def uv(self, *arguments: str) -> str:
        """As installed beside this Python, or found in PATH."""
        try:
            done = subprocess.run(
                [_uv(), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=UV_LIMIT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"uv: {error}") from None
        if done.returncode != 0:
            raise HostError(f"uv: {' '.join(done.stderr.split())[:1000]}")
        return done.stdout

    def get(self, url: str) -> bytes:
        """Over HTTP, bounded."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            return bounded_get(url, headers, most_bytes=MOST_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise HostError(f"{url}: {_words(error)}") from None

    def size_bytes(self, url: str) -> int | None:
        """What a server says to HEAD, or the file's own."""
        if url.startswith("file:"):
            return _size_of(Path(httpx.URL(url).path), url)
        try:
            answer = httpx.head(url, follow_redirects=True, timeout=30)
            answer.raise_for_status()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HostError(f"{url}: {_words(error)}") from None
        length = answer.headers.get("Content-Length", "")
        return int(length) if length.isdigit() else None

    def hosts(self, wanted: Mapping[str, Wanted]) -> dict[str, Answer]:
        """All at once."""
        return dict(ask_all(self.inventory, lambda host: self._offered(host, wanted[host.name])))

    def _offered(self, host: Host, asked: Wanted) -> dict[str, Any]:
        plan = self._driver(host)
        names, of_driver = list(asked.packages), _named(plan) if plan else []
        request = {
            "groups": {SYSTEM: names, DRIVER: of_driver},
            "models": asked.models,
            "sources": dict(plan.added) if plan else {},
            "pins": sources.pin(plan.version) if plan else "",
            "apt": apt_of(host),
        }
        answer = call(host, "offered", request, timeout_s=HOST_LIMIT_S, kind=dict)
        wanted = {SYSTEM: names, DRIVER: [name.partition("=")[0] for name in of_driver]}
        driver = {"version": plan.version, "archive": plan.archive} if plan else None
        return {**answer, "wanted": wanted, DRIVER: driver}

    def _driver(self, host: Host) -> DriverPlan | None:
        """What would be installed on a server whose driver is ours."""
        server, settings = self.fleet.spec.servers.get(host.name), self.fleet.settings(host.name)
        if server is None or settings.driver_source == "none":
            return None
        gpu, *others = self.fleet.spec.types_of(server)
        return decide(settings, server, gpu, observed(host), others)


def _named(plan: DriverPlan) -> list[str]:
    """As apt is asked for them; not what follows a host's kernel."""
    return [
        f"{one.key}={one.version}-*" if one.version else one.key
        for one in plan.packages
        if not one.key.startswith(_OF_KERNELS)
    ]


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    if not found:
        raise HostError("uv is not here, which asks the package indexes: `pip install uv`")
    return found


def _size_of(path: Path, url: str) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise HostError(f"{url}: {error.strerror}") from None


def _words(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"HTTP {error.response.status_code}"
    return str(error) or type(error).__name__
