"""The way to a host through others: OpenSSH's own client goes it, and paramiko speaks over it.

pyinfra loses the inner of two hops, and takes ``ProxyJump none`` for a host.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from collections import defaultdict

from gevent.lock import BoundedSemaphore

from rackwright.runner.access.ssh_config import SshSettings

AT_ONCE = 8
"""Connections being made through the same jump host: sshd drops some beyond ten (MaxStartups)."""
ALIVE_S = 15
JUMP_S = 120
"""For a host's first byte over a way on which ssh may have to ask the operator something."""
END_S = 5
"""For a program to end that was told to; then it is killed."""
MOST_WORDS = 1 << 16
"""Bytes of what it said that are read."""
turns: defaultdict[str, BoundedSemaphore] = defaultdict(lambda: BoundedSemaphore(AT_ONCE))
"""By jump host."""


class Tunnel:
    """A connection to a host's sshd that a program makes, and what that says when it fails."""

    def __init__(self, name: str, argv: list[str]) -> None:
        """Start the program. ``name`` says through what it leads."""
        self.name = name
        self.socket, theirs = socket.socketpair()
        # gevent's do not block, which a ProxyCommand may not know.
        os.set_blocking(theirs.fileno(), True)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the tunnel
        with theirs:
            self._process = subprocess.Popen(
                argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self._said
            )

    def await_host(self, timeout_s: float) -> None:
        """Wait for the host's first byte. Raises OSError where the program ends without one."""
        self.socket.settimeout(timeout_s)
        if not self.socket.recv(1, socket.MSG_PEEK):
            raise ConnectionError(f"the way through {self.name} ended")
        self.socket.settimeout(None)

    def words(self) -> str:
        """What the program said on its standard error."""
        self._said.seek(0)
        return self._said.read(MOST_WORDS).decode(errors="replace").strip()

    def close(self) -> None:
        """End the program; right also where it ended by itself."""
        self._process.terminate()
        self.socket.close()
        try:
            self._process.wait(END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()


def tunnel(settings: SshSettings, timeout_s: float) -> Tunnel | None:
    """The way that ssh would go to a host; None where it goes straight."""
    if settings.jump:
        return Tunnel(settings.jump, _through(settings, settings.jump, timeout_s))
    if settings.command:
        return Tunnel(settings.command, ["sh", "-c", f"exec {settings.command}"])
    return None


def _through(settings: SshSettings, hops: str, timeout_s: float) -> list[str]:
    """What ssh itself runs for ``ProxyJump``: the last hop is gone to through those before it."""
    before, _, last = hops.rpartition(",")
    uri = last if last.startswith("ssh://") else f"ssh://{last}"
    argv = ["ssh", *(["-F", settings.config_file] if settings.config_file else [])]
    # The master of a shared connection would take others' with it when its own host is done.
    shares = "ControlMaster=no"
    for option in (f"ConnectTimeout={timeout_s:.0f}", f"ServerAliveInterval={ALIVE_S}", shares):
        argv += ["-o", option]
    argv += ["-J", before] if before else []
    return [*argv, "-W", f"[{settings.hostname}]:{settings.port}", "--", uri]
