"""Booting a host, running commands in it, and taking it away again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.gpu_host import PROJECT, driver, needs, pieces
from lab.gpu_host.record import Host, load, log_file, running
from lab.gpu_host.unpacking import keep_venv, pending, take_project, unpack
from lab.record import start_time
from lab.shell import say, step

BOOT_S, STOP_S = 120, 60
POWER_OFF = signal.SIGRTMIN + 4
"""What systemd takes for `systemctl poweroff`."""
NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--cgroup", "--net")
INIT = Path(__file__).with_name("init.sh")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/nvidia/bin"


def boot(
    folder: Path, name: str, root: Path, project: Path | None, gpus: bool, imitated: str | None
) -> None:
    """Boot what was packed, or give the one that is up the project's present files.

    ``project`` is a checkout to take those from; ``imitated`` a profile of GPUs, for a rehearsal.
    """
    packed, known = pieces.load(folder), load(name)
    live = known is not None and known.is_up()
    root = Path(known.root) if live and known else root
    wanted = _wanted(packed, folder, root)
    needs.check(packed, folder, wanted, gpus)
    unpack(packed, folder, wanted, root, live)
    if project:
        take_project(project, root)
    keep_venv(packed, root)
    if imitated:
        from lab.gpu_host.imitation import imitate  # it needs more than a standard library

        imitate(imitated, name, root)
    if not live:
        if known:
            down(name)
        host = Host(name, str(root), str((needs.cgroup2() or Path()) / f"rackwright-{name}"))
        with step(f"booting {name}"):
            _start(host, gpus)
            _wait_ready(host)
    say(f"{name} is up: python3 -m lab.gpu_host run --name {name} COMMAND ...")


def _wanted(packed: pieces.Manifest, folder: Path, root: Path) -> list[str]:
    """What is not unpacked yet, but for wheels or a bundle of which no piece was carried here."""
    wanted = []
    for prefix in pending(packed, root):
        stream = packed.streams[prefix]
        if prefix[0] in "wb" and len(pieces.missing(stream, folder)) == len(stream.pieces):
            say(f"  without {stream.about}: none of their pieces is in {folder}")
        else:
            wanted.append(prefix)
    return wanted


def _start(host: Host, gpus: bool) -> None:
    group = Path(host.cgroup)
    group.mkdir(exist_ok=True)
    host.save()
    own = Path("/proc/self/cgroup").read_text().rpartition("0::")[2].strip()
    with tempfile.NamedTemporaryFile("w", suffix=".list") as listed:
        argv = ["unshare", *NAMESPACES, "--fork", "bash", str(INIT), host.root, host.name,
                str(log_file(host.name)), _libraries(listed.name, gpus)]  # fmt: skip
        with log_file(host.name).open("w") as log:
            starting = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=lambda: _enter(group),
            )
        assert starting.stdin and starting.stdout
        said = starting.stdout.readline()
        if not said:
            raise LabError(f"{host.name} did not start:\n{_log(host)}")
        host.pid, host.started = int(said), start_time(int(said))
        host.save()
        # A group with processes of its own cannot hand controllers on to groups below it.
        (_cgroup_of(own) / "cgroup.procs").write_text(str(starting.pid))
        starting.stdin.write("go\n")
        starting.stdin.close()
        if not starting.stdout.readline():  # its parent's end of the pipe stays open: no read()
            raise LabError(f"{host.name} did not start:\n{_log(host)}")


def _enter(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))


def _cgroup_of(path: str) -> Path:
    top = needs.cgroup2()
    assert top is not None
    return top / path.lstrip("/")


def _libraries(listed: str, gpus: bool) -> str:
    """What init.sh is told of the driver: ``whole``, or a file that lists its parts."""
    found = driver.libraries() if gpus else {}
    if isinstance(found, str):
        return found
    Path(listed).write_text("".join(f"{there}\t{file}\n" for there, file in found.items()))
    return listed


def _wait_ready(host: Host) -> None:
    """Until systemd has started all but engines of an earlier run; what failed is named."""
    state = ""

    def settled() -> bool:
        nonlocal state
        if not host.is_up():
            raise LabError(f"{host.name} ended while it booted:\n{_log(host)}")
        state = _said(host, "systemctl", "is-system-running")
        return state in ("running", "degraded") or only_engines(
            _said(host, "systemctl", "list-jobs", "--plain", "--no-legend")
        )

    if not _within(BOOT_S, settled):
        raise LabError(f"{host.name} has not booted in {BOOT_S} s: {state or 'no answer'}")
    inside(host, ["ip", "link", "set", "lo", "up"], check=True)
    if state == "starting":
        say(f"\n  engines of an earlier run are starting in {host.name}")
    if state == "degraded":
        failed = _said(host, "systemctl", "--failed", "--plain", "--no-legend")
        say(f"\n  {host.name} runs, but for:\n{failed}")


def only_engines(jobs: str) -> bool:
    """Whether all that systemd still starts, of what `systemctl list-jobs` prints, is engines."""
    running = [line.split()[1] for line in jobs.splitlines() if line.split()[-1:] == ["running"]]
    return bool(running) and all(unit.startswith("rackwright-") for unit in running)


def _said(host: Host, *argv: str) -> str:
    return str(inside(host, argv, capture_output=True, text=True).stdout).strip()


def inside(
    host: Host, argv: Sequence[str], folder: str = "/", **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command in a host, with an environment of its own."""
    own = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": os.environ.get("TERM", "dumb")}
    enter = ["nsenter", "-t", str(host.pid), "-m", "-u", "-i", "-p", "-n", "-C", "-r", "-w"]
    clean = ["env", "-i", "-C", folder, *(f"{key}={value}" for key, value in own.items())]
    return subprocess.run([*enter, "--", *clean, *argv], **options)


def run(name: str, argv: Sequence[str]) -> int:
    """Run a command in the project's folder of a host; its exit code."""
    return inside(running(name), argv or ["bash", "-l"], PROJECT).returncode


def down(name: str) -> None:
    """End a host and everything in it; right also for one that half started."""
    if (host := load(name)) is None:
        return
    if host.is_up() and host.pid:
        os.kill(host.pid, POWER_OFF)
        if not _within(STOP_S, lambda: not host.is_up()):
            os.kill(host.pid, signal.SIGKILL)  # its namespace's first: all others end with it
    _remove(Path(host.cgroup))
    host.forget()


def _remove(group: Path) -> None:
    """Remove a control group; whoever is still in it was started by the host."""
    if not group.exists():
        return
    if not _within(STOP_S, lambda: not _members(group)):
        raise LabError(f"processes in {group} do not end: {sorted(_members(group))}")
    for path, _, _ in os.walk(group, topdown=False):
        Path(path).rmdir()


def _members(group: Path) -> set[int]:
    found = {int(pid) for file in group.rglob("cgroup.procs") for pid in file.read_text().split()}
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return found


def _within(limit_s: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _log(host: Host) -> str:
    return log_file(host.name).read_text(errors="replace")[-2000:]
