"""The base image: a small Debian made by debootstrap once, shared read-only by every host."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from lab.fleet import CACHE, SUITE
from lab.shell import say, sh, step
from rackwright.errors import LabError

INCLUDE = (
    "systemd,systemd-sysv,dbus,openssh-server,python3,iproute2,ca-certificates,sudo,procps,curl"
)
APT_SOURCES = ("etc/apt/sources.list", "etc/apt/sources.list.d/debian.sources")
TRUST = "etc/ssl/certs/ca-certificates.crt"
OWN_TRUST = "usr/local/share/ca-certificates/lab-machine.crt"
"""Where update-ca-certificates finds it again, when a host upgrades that package."""


def base() -> Path:
    """The folder of the base image; made when it is not there yet, never half made."""
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    ready = CACHE / f"base-{SUITE}-{recipe}"
    if ready.exists():
        return ready
    for stale in CACHE.glob(f"base-{SUITE}*"):  # older recipes, and one that was cut off
        shutil.rmtree(stale)
    partial = CACHE / f"base-{SUITE}.partial"
    partial.mkdir(parents=True)
    say(f"lab: making the base image ({SUITE}, about 330 MB, a minute or two; kept in {CACHE})")
    _debootstrap(partial)
    _adopt_machine_settings(partial)
    with step("fetching package lists into the image"):
        sh("systemd-nspawn", "-q", "-D", str(partial), "--register=no", "--keep-unit", "apt-get",
           "-qq", "update")  # fmt: skip
    partial.rename(ready)
    return ready


def _debootstrap(target: Path) -> None:
    """Run debootstrap, showing one line in 25 of what it says as progress."""
    argv = ["debootstrap", "--variant=minbase", f"--include={INCLUDE}", SUITE, str(target)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        for count, line in enumerate(running.stdout):
            if count % 25 == 0:
                say(f"  {line.strip()}")
    if running.returncode != 0:
        log = (target / "debootstrap" / "debootstrap.log").read_text()[-1500:]
        raise LabError(f"debootstrap failed with exit code {running.returncode}:\n{log}")


def _adopt_machine_settings(target: Path) -> None:
    """Give the image this machine's mirror (same release only), resolver and trusted roots."""
    if f"VERSION_CODENAME={SUITE}" in Path("/etc/os-release").read_text():
        found = [Path("/") / name for name in APT_SOURCES if (Path("/") / name).exists()]
        for source in found:
            (target / "etc/apt/sources.list").unlink(missing_ok=True)
            copy = target / source.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
    shutil.copy("/etc/resolv.conf", target / "etc/resolv.conf")
    if (Path("/") / TRUST).exists():
        for copy in (TRUST, OWN_TRUST):
            shutil.copy(Path("/") / TRUST, target / copy)
