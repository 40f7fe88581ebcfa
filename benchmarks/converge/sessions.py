"""What happened on the hosts, asked of the hosts: commands over SSH apart from pyinfra's."""

from __future__ import annotations

import time
from collections.abc import Sequence

from lab.fleet import LAB, LabHost
from lab.shell import sh

LOGGED = "Starting session: "
"""What sshd logs (LogLevel VERBOSE) for each command and each file transfer on a connection."""


def on(host: LabHost, command: str) -> str:
    """The output of a shell command on a host; LabError when it fails."""
    return sh("ssh", "-F", str(LAB / "ssh_config"), host.name, command)


def now() -> float:
    """The moment to count from; lab hosts and this machine share a clock."""
    return time.time()


def count_since(hosts: Sequence[LabHost], start: float) -> int:
    """How many sessions sshd started on each host since then; the most, where hosts differ."""
    return max(_count(host, start) for host in hosts)


def _count(host: LabHost, start: float) -> int:
    look = f"journalctl --sync; journalctl -t sshd -o cat --since=@{start:.6f}"
    own, *lines = on(host, f'echo "$SSH_CONNECTION"; {look}').splitlines()
    port = own.split()[1]
    return sum(LOGGED in line and f" port {port} " not in line for line in lines)
