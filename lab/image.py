"""The base images: a small Debian a suite, made by debootstrap once, shared read-only by hosts."""

from __future__ import annotations

import hashlib
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lab.errors import LabError
from lab.fleet import CACHE
from lab.record import load
from lab.shell import say, sh, step
from rackwright.report.progress import Progress

INCLUDE = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,ca-certificates,sudo,procps,curl"
)
APT_SOURCES = ("etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources")
TRUST = "etc/ssl/certs/ca-certificates.crt"
OWN_TRUST = "usr/local/share/ca-certificates/lab-machine.crt"
"""Where update-ca-certificates finds it again, when a host upgrades that package."""


def base(suite: str) -> Path:
    """The folder of a suite's base image; made when it is not there yet, never half made."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    ready = CACHE / f"base-{suite}-{recipe}"
    if ready.exists():
        return ready
    partial = CACHE / f"base-{suite}.partial"
    for stale in CACHE.glob(f"base-{suite}*"):  # older recipes, and one that was cut off
        if stale == partial or load() is None:  # hosts that are up may stand on an older one
            shutil.rmtree(stale)
    partial.mkdir(parents=True)
    say(f"lab: making the base image ({suite}, about 330 MB, a minute or two; kept in {CACHE})")
    _debootstrap(suite, partial)
    _adopt_machine_settings(suite, partial)
    with step("fetching package lists into the image"):
        sh("systemd-nspawn", "-q", "-D", str(partial), "--register=no", "--keep-unit", "apt-get",
           "-qq", "update")  # fmt: skip
    partial.rename(ready)
    return ready


def _debootstrap(suite: str, target: Path) -> None:
    """Run debootstrap, with what it says in one line."""
    argv = ["debootstrap", "--variant=minbase", f"--include={INCLUDE}", suite, str(target)]
    progress = Progress(sys.stderr)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            progress.show(f"  {line.strip()}")
    progress.clear()
    if running.returncode != 0:
        log = (target / "debootstrap" / "debootstrap.log").read_text()[-1500:]
        raise LabError(f"debootstrap failed with exit code {running.returncode}:\n{log}")


def _adopt_machine_settings(suite: str, target: Path) -> None:
    """Give the image this machine's mirror (of Debian only), resolver and trusted roots."""
    machine = platform.freedesktop_os_release()
    if machine["ID"] == "debian":
        found = [name for name in APT_SOURCES if (Path("/") / name).exists()]
        for name in found:
            (target / "etc/apt/sources.list").unlink(missing_ok=True)
            text = (Path("/") / name).read_text()
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(for_suite(text, machine["VERSION_CODENAME"], suite))
    shutil.copy("/etc/resolv.conf", target / "etc/resolv.conf")
    if (Path("/") / TRUST).exists():
        for copy in (TRUST, OWN_TRUST):
            shutil.copy(Path("/") / TRUST, target / copy)


def for_suite(sources: str, own: str, suite: str) -> str:
    """A machine's apt sources (one-line or deb822) with another suite in its own's place."""
    named = re.compile(rf"(?<=\s){re.escape(own)}(?=[-/\s]|$)")
    lines = (named.sub(suite, line) if line.startswith(("deb", "Suites:")) else line
             for line in sources.splitlines())  # fmt: skip
    return "\n".join(lines) + "\n"
