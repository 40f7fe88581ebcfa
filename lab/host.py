"""Booting and ending one host: an overlay on the base image, run by systemd-nspawn."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

from lab import cgroups, kernel, nvml, registries
from lab.errors import LabError
from lab.fleet import (
    BARE,
    BRIDGE,
    CACHE,
    GATEWAY_ADDRESS,
    LAB,
    RUN,
    TINY_GGUF,
    TINY_MODEL,
    LabHost,
)
from lab.record import Container, Record, start_time
from lab.shell import sh

UV_CACHE = "/var/cache/uv"
PYCACHE = "/var/cache/rackwright/pycache"
ARCHIVES = "/var/cache/apt/archives"
NETWORK = f"""[Match]
Name=host0
[Network]
Address={{address}}/24
Gateway={GATEWAY_ADDRESS}
"""
SSHD = "LogLevel VERBOSE\n"
"""sshd then logs every command it starts, by which tests count them on the host's side."""
STOP_S = 15
WHILE_IT_REBOOTS = 'trap : TERM; while "$0" "$@"; [ $? -eq 133 ]; do :; done'
"""nspawn with --keep-unit leaves it to its caller to start a host again that rebooted."""


def boot(host: LabHost, base: Path, record: Record) -> None:
    """Start a host; does nothing when it is already up. Returns before it answers."""
    known = record.containers.get(host.name)
    if known and is_up(known):
        return
    if known:
        stop(known, record)
    container = Container(host.name, str(RUN / "hosts" / host.name))
    record.containers[host.name] = container
    record.save()
    root = _mount(container, base)
    _furnish(root, host)
    container.pid = _start(root, host)
    container.started = start_time(container.pid)
    record.save()


def is_up(container: Container) -> bool:
    """Whether the process that was started is still the one with that pid."""
    if container.pid is None or container.started is None:  # it ended before it could be noted
        return False
    return start_time(container.pid) == container.started


def stop(container: Container, record: Record) -> None:
    """End a host and take its mount and folder away; right also for one that half started."""
    directory = Path(container.directory)
    if is_up(container):
        assert container.pid is not None
        _end(container.pid)
    cgroups.kill(container.name)
    _unplug(container.name)
    for target in reversed(_mounts_below(directory)):
        sh("umount", target)
    cgroups.remove(container.name)
    shutil.rmtree(_disk(container.name), ignore_errors=True)
    shutil.rmtree(directory, ignore_errors=True)
    del record.containers[container.name]
    record.save()


def _unplug(name: str) -> None:
    """Take its cable away at once: the kernel does some time after the last process of the host."""
    subprocess.run(["ip", "link", "del", cable(name)], capture_output=True)  # most are gone by now
    if Path(f"/sys/class/net/{cable(name)}").exists():
        raise LabError(f"the network interface {cable(name)} cannot be removed")


def cable(name: str) -> str:
    """The host's network interface, as this machine has it; nspawn names it."""
    return f"vb-{name}"


def _disk(name: str) -> Path:
    return CACHE / "hosts" / name


def _mount(container: Container, base: Path) -> Path:
    disk = _disk(container.name)
    shutil.rmtree(disk, ignore_errors=True)
    for name in ("upper", "work"):
        (disk / name).mkdir(parents=True)
    root = Path(container.directory) / "root"
    root.mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={base},upperdir={disk / 'upper'},workdir={disk / 'work'}"
    options = f"{layers},volatile"  # never synced: it is thrown away, and that takes long on a disk
    sh("mount", "-t", "overlay", f"rackwright-{container.name}", "-o", options, str(root))
    return root


def _furnish(root: Path, host: LabHost) -> None:
    """What a provider's installer would have set: name, network, SSH keys, and its GPU driver."""
    (root / "etc/hostname").write_text(f"{host.name}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{host.address} {host.name}\n")
    (root / "etc/machine-id").write_text("")
    (root / "etc/systemd/network/10-lab.network").write_text(NETWORK.format(address=host.address))
    wants = root / "etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
    wants.unlink(missing_ok=True)
    wants.symlink_to("/lib/systemd/system/systemd-networkd.service")
    _install_keys(root, host)
    (root / "etc/ssh/sshd_config.d/lab.conf").write_text(SSHD)
    (root / "etc/dpkg/dpkg.cfg.d/lab").write_text("force-unsafe-io\n")  # its disk is thrown away
    registries.install(root, UV_CACHE)
    if host.imitated_kernel:
        kernel.install(root, LAB / f"{host.name}.profile", nvswitch=host.nvswitch)
    elif host.gpu_profile:
        _install_nvml(root, host)


def _install_keys(root: Path, host: LabHost) -> None:
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(LAB / "id_ed25519.pub", home / "authorized_keys")
    for stale in (root / "etc/ssh").glob("ssh_host_*"):
        stale.unlink()
    for suffix in ("", ".pub"):
        copy = root / f"etc/ssh/ssh_host_ed25519_key{suffix}"
        shutil.copy(LAB / f"host_{host.name}{suffix}", copy)
        copy.chmod(0o600 if not suffix else 0o644)


def _install_nvml(root: Path, host: LabHost) -> None:
    """Put the NVML stand-in where the driver's packages put the real library."""
    text = (LAB / f"{host.name}.profile").read_text()
    version = re.search(r"^DriverVersion=(\S+)$", text, re.MULTILINE)
    assert version  # every profile names its driver
    file, folder = nvml.file_of(version[1]), root / "usr/lib/x86_64-linux-gnu"
    shutil.copy(CACHE / nvml.SONAME, folder / file)
    (folder / nvml.SONAME).unlink(missing_ok=True)
    (folder / nvml.SONAME).symlink_to(file)
    profile = root / "etc/rackwright-lab/nvml.profile"
    profile.parent.mkdir(exist_ok=True)
    shutil.copy(LAB / f"{host.name}.profile", profile)


def _binds(host: LabHost) -> list[str]:
    binds = [
        f"--bind-ro={CACHE / 'tiny-llama'}:{TINY_MODEL}",
        f"--bind-ro={CACHE / 'tiny-gguf'}:{TINY_GGUF}",
        f"--bind={CACHE / 'uv'}:{UV_CACHE}",
        f"--bind={CACHE / 'pycache'}:{PYCACHE}",
    ]
    if host in BARE:  # alone: apt locks this folder, so that two hosts cannot share it
        archives = CACHE / "apt" / host.name
        (archives / "partial").mkdir(parents=True, exist_ok=True)
        binds.append(f"--bind={archives}:{ARCHIVES}")
    return binds + [f"--bind-ro={folder}" for folder in registries.find_links()]


def _start(root: Path, host: LabHost) -> int:
    groups = cgroups.create(host.name)
    argv = ["sh", "-c", WHILE_IT_REBOOTS, "systemd-nspawn", "--quiet", f"--directory={root}",
            "--boot", "--register=no", "--keep-unit", f"--network-bridge={BRIDGE}",
            f"--machine={host.name}", "--link-journal=no", "--resolv-conf=off", "--console=pipe",
            *_binds(host)]  # fmt: skip
    with (root.parent / "console.log").open("wb") as log:
        started = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: cgroups.enter(groups),
        )
    return started.pid


def wait_ready(host: LabHost, record: Record, timeout_s: float = 300) -> None:
    """Wait until the host answers SSH; LabError with its console when it does not."""
    began = time.monotonic()
    tries = 0
    while time.monotonic() < began + timeout_s:
        tries += 1  # one second is enough at first; a busy machine needs more to shake hands
        patience = f"ConnectTimeout={min(tries, 20)}"
        argv = ["ssh", "-F", str(LAB / "ssh_config"), "-o", patience, host.name, "true"]
        asked = subprocess.run(argv, capture_output=True, text=True)
        if asked.returncode == 0:
            return
        if not is_up(record.containers[host.name]):
            break
        time.sleep(0.1)
    console = (RUN / "hosts" / host.name / "console.log").read_text(errors="replace")[-1500:]
    waited_s = time.monotonic() - began
    raise LabError(
        f"{host.name} does not answer SSH after {waited_s:.0f} s: {asked.stderr.strip()}\n"
        f"It has {_programs(host)}; its console says:\n{console or '(nothing)'}"
    )


def _programs(host: LabHost) -> str:
    names = []
    for pid in sorted(cgroups.members(host.name)):
        with contextlib.suppress(OSError):  # it ended meanwhile
            names.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return f"the processes {', '.join(names)}" if names else "no process"


def _end(pid: int) -> None:
    """End the container: all of its processes die with its init, and its disk is thrown away."""
    os.killpg(pid, signal.SIGTERM)
    if not _gone(pid, within_s=0.3):
        os.killpg(pid, signal.SIGTERM)  # nspawn: a second one ends it at once
    if not _gone(pid, within_s=STOP_S):
        os.killpg(pid, signal.SIGKILL)
        _gone(pid, within_s=STOP_S)


def _gone(pid: int, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if os.waitpid(pid, os.WNOHANG)[0] == pid:
                return True
        except ChildProcessError:
            if start_time(pid) is None:
                return True
        time.sleep(0.05)
    return False


def _mounts_below(directory: Path) -> list[str]:
    targets = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [target for target in targets if Path(target).is_relative_to(directory)]
