"""On the host: what decides about its NVIDIA driver, what an archive offers, load, reboot.

The probe travels along: it knows the operating system and the kernel's log.
Everything but ``load`` and ``reboot`` only reads. The shape of what is observed (``?`` may be null;
``unavailable`` then says why)::

    os, unavailable   as the probe gives them
    pci?              NVIDIA's devices: address, class ("0302"), acs_redirects? (bridges above it)
    headers?          whether the running kernel's headers are there
    on_disk?          version of the module that the running kernel would load; "" for none
    open?             whether the loaded module is the open one; null where none is loaded
    nouveau?          whether that module is loaded
    users?            processes that have an NVIDIA device open: pid, command, cgroups
    packages?         of the driver and CUDA: name, version, status, origins ("URI suite/component")
    sources?          what apt is configured for, one text a file: path, text
    runfile?          what NVIDIA's own installer leaves and no package owns
    free_bytes?       of /boot, /usr and /var
    boot_id?          changes with every boot
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from subprocess import DEVNULL as NOTHING
from subprocess import PIPE, STDOUT
from typing import Any

from rackwright.remote.probe import (
    OS,
    PCI_ADDRESS,
    Reader,
    _cgroups,
    _command,
    _kernel_log,
    _redirects,
)

MODULES = Path("/sys/module")
PCI = Path("/sys/bus/pci/devices")
PROC = Path("/proc")
KERNELS = Path("/lib/modules")
APT = Path("/etc/apt")
LISTS = Path("/var/lib/apt/lists")
RUNFILE = (Path("/usr/bin/nvidia-uninstall"), Path("/usr/bin/nvidia-installer"))
FILESYSTEMS = ("/boot", "/usr", "/var")
NVIDIA = "0x10de"
MODULE_NAMES = ("nvidia", "nvidia-current-open", "nvidia-current")
"""What the module's file is called: Debian's own has other names, and an alias for modprobe."""
PACKAGES = ("*nvidia*", "cuda*", "libcuda*", "nvlsm", "libnvsdm*", "firmware-nvidia*")
INTERESTING = re.compile(r"nvrm|nvidia|nouveau|lockdown|module verification|loading of", re.I)
MOST_LINES = 15
COMPLAINTS = ("E:", "W:", "Error:", "Warning:", "Err:", "  ")
OURS = "rackwright-"
"""How source files begin that were written here."""

Values = dict[str, Any]


def _output(*argv: str) -> str:
    """What a command prints; its failure is an exception with its words."""
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(argv, env=environment, stdin=NOTHING, capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(f"`{' '.join(argv[:3])}`: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace")


# --- observing -------------------------------------------------------------------------------


def _pci() -> list[Values]:
    return [_device(path) for path in sorted(PCI.iterdir()) if _text(path / "vendor") == NVIDIA]


def _text(path: Path) -> str:
    return path.read_text().strip()


def _device(path: Path) -> Values:
    """A device, with the bridges above it whose access control sends peers up to the CPU."""
    above = [part for part in path.resolve().parts[:-1] if PCI_ADDRESS.fullmatch(part)]
    try:
        redirects: Any = [at for at in above if _redirects((PCI / at / "config").read_bytes())]
    except OSError:
        redirects = None
    return {"address": path.name, "class": _text(path / "class")[2:6], "acs_redirects": redirects}


def _headers() -> bool:
    return (KERNELS / os.uname().release / "build").exists()


def _on_disk() -> str:
    """What modprobe would load; a kernel without the module is no failure."""
    for name in MODULE_NAMES if shutil.which("modinfo") else ():
        argv = ["modinfo", "--field", "version", name]
        done = subprocess.run(argv, stdin=NOTHING, capture_output=True, check=False)
        if done.returncode == 0:
            return done.stdout.decode(errors="replace").strip()
    return ""


def _open() -> bool | None:
    if not (MODULES / "nvidia").exists():
        return None
    return "Open Kernel Module" in (PROC / "driver/nvidia/version").read_text()


def _users() -> list[Values]:
    """Processes with an NVIDIA device open; those that end meanwhile are none."""
    pids = [int(path.name) for path in PROC.iterdir() if path.name.isdigit()]
    return [
        {"pid": pid, "command": _command(pid), "cgroups": _cgroups(pid)}
        for pid in sorted(pids)
        if any(_opened(pid))
    ]


def _opened(pid: int) -> Iterator[bool]:
    try:
        for handle in (PROC / str(pid) / "fd").iterdir():
            yield str(handle.readlink()).startswith("/dev/nvidia")
    except OSError:
        return


def _packages() -> list[Values]:
    """Installed ones, and those that an interrupted apt left half way."""
    form = "${Package}\t${Version}\t${db:Status-Status}\t${db:Status-Want}\n"
    argv = ["dpkg-query", "--show", f"--showformat={form}", *PACKAGES]
    done = subprocess.run(argv, stdin=NOTHING, capture_output=True, check=False)
    if done.returncode not in (0, 1):  # 1: none matches some pattern
        raise OSError(done.stderr.decode(errors="replace").strip())
    rows = [line.split("\t") for line in done.stdout.decode(errors="replace").splitlines()]
    found = [row for row in rows if row[2] not in ("not-installed", "config-files")]
    origins = _origins(sorted({row[0] for row in found}))
    return [
        {"name": name, "version": version, "status": status, "held": want == "hold",
         "origins": origins.get(name, [])}
        for name, version, status, want in found
    ]  # fmt: skip


def _origins(names: Sequence[str]) -> dict[str, list[str]]:
    """Where apt could get the installed version of each from now."""
    found: dict[str, list[str]] = {}
    name, inside = "", False
    for line in (_output("apt-cache", "policy", *names) if names else "").splitlines():
        words = line.split()
        if not line.startswith(" "):
            name, inside = line.rstrip(":").partition(":")[0], False
        elif line.startswith((" ***", "     ")) and not line.startswith("        "):
            inside = words[0] == "***"
        elif inside and len(words) >= 2 and not words[1].startswith("/"):
            found.setdefault(name, []).append(" ".join(words[1:3]))
    return found


def _sources() -> list[Values]:
    paths = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    wanted = [path for path in paths if path.suffix in (".list", ".sources") and path.is_file()]
    return [{"path": str(path), "text": path.read_text(errors="replace")} for path in wanted]


def _runfile() -> list[str]:
    return [str(path) for path in RUNFILE if path.exists() and not _owned(path)]


def _owned(path: Path) -> bool:
    argv = ["dpkg-query", "--search", str(path)]
    return subprocess.run(argv, stdin=NOTHING, capture_output=True, check=False).returncode == 0


def _free_bytes() -> dict[str, int]:
    return {place: shutil.disk_usage(place).free for place in FILESYSTEMS}


def _boot_id() -> str:
    return _text(PROC / "sys/kernel/random/boot_id")


FACTS: dict[str, Callable[[], Any]] = {
    "pci": _pci,
    "headers": _headers,
    "on_disk": _on_disk,
    "open": _open,
    "nouveau": lambda: (MODULES / "nouveau").exists(),
    "users": _users,
    "packages": _packages,
    "sources": _sources,
    "runfile": _runfile,
    "free_bytes": _free_bytes,
    "boot_id": _boot_id,
}


def observe() -> Values:
    """All facts; one that cannot be had is null, and ``unavailable`` says why."""
    reader = Reader()
    seen = {name: reader.read(name, question) for name, question in FACTS.items()}
    system = reader.fill("os", OS)
    return {**seen, "os": system, "unavailable": reader.unavailable}


# --- what an archive offers ------------------------------------------------------------------


def look(request: Values) -> Values:
    """What apt would find with these sources, asked in a folder of its own: nothing is changed.

    ``sources`` are files to add, name to text; ``names`` the packages asked about; ``prefix``
    names a family to list.
    """
    with tempfile.TemporaryDirectory(prefix="rackwright-apt-", dir="/var/tmp") as folder:
        options = _scratch(Path(folder), request["sources"])
        words = _update(options)
        try:
            table = _output("apt-cache", *options, "madison", *request["names"])
            family = _output("apt-cache", *options, "pkgnames", request["prefix"])
        except OSError:  # sources that apt cannot even read: what it said of them tells
            table = family = ""
    return {"update": words, "versions": _versions(table), "family": sorted(family.split())}


def _scratch(folder: Path, added: dict[str, str]) -> list[str]:
    """apt's own lists to begin with, the host's sources, and the added ones instead of ours."""
    folder.chmod(0o755)
    parts, lists = folder / "sources.list.d", folder / "lists"
    parts.mkdir()
    for path in sorted((APT / "sources.list.d").glob("*")):
        if path.is_file() and not path.name.startswith(OURS):
            shutil.copy(path, parts)
    for name, text in added.items():
        (parts / name).write_text(text)
    if LISTS.is_dir():
        left_out = shutil.ignore_patterns("lock", "partial", "auxfiles")
        shutil.copytree(LISTS, lists, ignore=left_out)
    (lists / "partial").mkdir(parents=True)
    settings = {
        "Dir::Etc::sourceparts": parts,
        "Dir::State::lists": lists,
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
        "Acquire::Retries": 1,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _update(options: Sequence[str]) -> str:
    """apt's complaints while it fetches the lists; an empty text where it has none."""
    argv = ["apt-get", *options, "update", "-q"]
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        argv, env=environment, stdin=NOTHING, stdout=PIPE, stderr=STDOUT, check=False
    )
    lines = done.stdout.decode(errors="replace").splitlines()
    said = [line for line in lines if line.startswith(COMPLAINTS)]
    return "\n".join(line.strip() for line in said)


def _versions(table: str) -> dict[str, list[list[str]]]:
    """``apt-cache madison``: name to pairs of version and origin."""
    found: dict[str, list[list[str]]] = {}
    for line in table.splitlines():
        name, version, origin = [part.strip() for part in line.split("|", 2)]
        found.setdefault(name, []).append([version, origin.replace(" Packages", "").strip()])
    return found


# --- the module ------------------------------------------------------------------------------


def load(build: bool) -> Values:
    """Load the kernel modules, built first where they should be there and are not.

    What went wrong is in the words of modprobe, of DKMS and of the kernel.
    """
    built = _built() if build and not _on_disk() else []
    done = subprocess.run(
        ["modprobe", "--all", "nvidia", "nvidia_uvm"],
        stdin=NOTHING,
        capture_output=True,
        check=False,
    )
    words = dict.fromkeys(done.stderr.decode(errors="replace").splitlines())  # each once
    said = "\n".join(words).strip()
    return {"ok": done.returncode == 0, "words": said, "log": [*built, *why()["log"]]}


def _built() -> list[str]:
    """What DKMS says: a kernel whose headers came later than the driver has no module yet."""
    if not shutil.which("dkms"):
        return []
    argv = ["dkms", "autoinstall"]
    done = subprocess.run(argv, stdin=NOTHING, stdout=PIPE, stderr=STDOUT, check=False)
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return [f"dkms: {line}" for line in lines[-5:]]


def why() -> Values:
    """What of the kernel's log may tell why a module is not loaded, and how it was built."""
    try:
        lines = [line for line in _kernel_log() if INTERESTING.search(line)]
    except (OSError, subprocess.SubprocessError) as error:
        lines = [f"the kernel's log could not be read: {error}"]
    return {"log": lines[-MOST_LINES:]}


def stop(units: Sequence[str]) -> Values:
    """Stop those of the units that are there; each takes the time it is given to finish."""
    if units:
        subprocess.run(["systemctl", "stop", *units], stdin=NOTHING, check=False)
    return {}


def start(units: Sequence[str]) -> Values:
    """Start units again; whoever deploys them waits for them."""
    _output("systemctl", "--no-block", "start", *units)
    return {}


def reboot(units: Sequence[str]) -> Values:
    """Stop units as they want to be stopped, then reboot; says which boot this was."""
    boot = _boot_id()
    stop(units)
    os.sync()
    _output("systemctl", "--no-block", "reboot")
    return {"boot_id": boot}


def main(request: Values) -> Any:
    """``do`` is observe, look, load, why, stop, start or reboot."""
    do = request["do"]
    if do == "observe":
        return observe()
    if do == "look":
        return look(request)
    if do == "reboot":
        return reboot(request["units"])
    if do in ("stop", "start"):
        return (stop if do == "stop" else start)(request["units"])
    return load(request["build"]) if do == "load" else why()
