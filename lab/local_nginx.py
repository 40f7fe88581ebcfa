"""Nginx with its Lua module, of this machine's own release, unpacked and not installed.

For the tests of the gateway's Lua and for its benchmarks: no service is started, nothing of the
machine is changed, and no root is needed. What runs is what apt would install here.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.fleet import CACHE
from lab.keeping import kept
from lab.shell import sh

PACKAGES = (
    "nginx",
    "nginx-common",
    "libnginx-mod-http-lua",
    "libnginx-mod-http-ndk",
    "lua-resty-core",
    "lua-resty-lrucache",
    "lua-cjson",
)
EITHER = (("libluajit2-5.1-2", "libluajit-5.1-2"), ("libpcre3",))
"""Libraries that differ between releases: of each group the first that this one has, if any."""
START_S = 10


@dataclass(frozen=True)
class LocalNginx:
    """An unpacked Nginx: its root folder, and the environment that lets it find its libraries."""

    root: Path

    @property
    def program(self) -> str:
        """The binary."""
        return str(self.root / "usr/sbin/nginx")

    @property
    def modules(self) -> tuple[str, ...]:
        """The dynamic modules a configuration loads first, in their order."""
        folder = self.root / "usr/lib/nginx/modules"
        return tuple(str(folder / f"{name}_module.so") for name in ("ndk_http", "ngx_http_lua"))

    @property
    def environment(self) -> dict[str, str]:
        """Of its process."""
        libraries = [str(path) for path in self.root.glob("**/lib/*-linux-gnu")]
        lua = self.root / "usr/share/lua/5.1"
        native = [f"{folder}/lua/5.1/?.so" for folder in libraries]
        return {
            **os.environ,
            "LD_LIBRARY_PATH": ":".join(libraries),
            "LUA_PATH": f"{lua}/?.lua;{lua}/?/init.lua;;",
            "LUA_CPATH": ";".join([*native, ";"]),
        }

    def test(self, config: Path) -> None:
        """Have it judge a configuration; LabError with its words where it refuses it."""
        argv = [self.program, "-t", "-q", "-c", str(config), "-p", str(config.parent)]
        done = subprocess.run(argv, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"Nginx refuses {config}: {done.stderr.strip()}")

    @contextmanager
    def running(self, config: Path, prefix: Sequence[str] = ()) -> Iterator[subprocess.Popen[str]]:
        """Run it on a configuration with ``daemon off`` for the block, and end it then.

        ``prefix`` is what stands before the command (``taskset``).
        """
        self.test(config)
        argv = [*prefix, self.program, "-c", str(config), "-p", str(config.parent)]
        process = subprocess.Popen(argv, env=self.environment, text=True, start_new_session=True)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(START_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def local_nginx() -> LocalNginx:
    """This release's Nginx; unpacked into the cache when it is not there yet, never half."""
    release = platform.freedesktop_os_release()
    ready = CACHE / f"nginx-{release['ID']}-{release.get('VERSION_CODENAME', 'rolling')}"
    return LocalNginx(kept(ready, _unpack_nginx))


def _unpack_nginx(folder: Path) -> None:
    _have_lists()
    unpack(folder, (*PACKAGES, *_libraries()))


def unpack(folder: Path, packages: Sequence[str]) -> None:
    """Packages of this release as files in a folder that is not there yet."""
    debs = folder / "debs"
    debs.mkdir(parents=True)
    sh("apt-get", "-qq", "download", *packages, cwd=debs)
    for deb in debs.iterdir():
        sh("dpkg-deb", "-x", str(deb), str(folder))
    shutil.rmtree(debs)


def _have_lists() -> None:
    """A fresh machine's apt knows no packages until it has fetched its lists once."""
    if _is_known("nginx"):
        return
    if os.geteuid() != 0:
        raise LabError("apt knows no packages here, and only root can have it: apt-get update")
    sh("apt-get", "-qq", "update")


def _libraries() -> list[str]:
    known = ([name for name in names if _is_known(name)] for names in EITHER)
    return [names[0] for names in known if names]


def _is_known(name: str) -> bool:
    """Whether apt could install it; it says nothing at all of a name that it does not know."""
    said = sh("apt-cache", "policy", name)
    return bool(said) and "\n  Candidate: (none)" not in said


def wait_for(path: Path, timeout_s: float = START_S) -> None:
    """Wait until a socket or file is there; LabError when it does not come."""
    until = time.monotonic() + timeout_s
    while not path.exists():
        if time.monotonic() > until:
            raise LabError(f"{path} did not come within {timeout_s:.0f} s")
        time.sleep(0.02)
