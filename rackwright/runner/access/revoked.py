"""Host keys that known_hosts mark as revoked: paramiko passes their lines over."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from paramiko import PKey, SSHException, Transport

from rackwright.runner.access.ssh_config import SshSettings

MARK = "@revoked"


class Wary(Transport):
    """A connection that ends before anything is proven to a host with a revoked key."""

    def __init__(self, *args: Any, revoked: Collection[str], **options: Any) -> None:
        """``revoked`` are keys in base64; the rest is paramiko's."""
        super().__init__(*args, **options)
        self._revoked = revoked

    def get_remote_server_key(self) -> PKey:
        """What paramiko asks for once keys are exchanged. Raises SSHException for a revoked one."""
        key = super().get_remote_server_key()
        if key.get_base64() in self._revoked:
            raise SSHException(f"its host key ({key.fingerprint}) is {MARK} in known_hosts")
        return key


def wary(settings: SshSettings) -> Callable[..., Transport] | None:
    """How to connect to a host of which a key is revoked; None where there is none."""
    keys = frozenset(_revoked(settings))
    return partial(Wary, revoked=keys) if keys else None


def _revoked(settings: SshSettings) -> Iterator[str]:
    """By ssh-keygen, which knows patterns and names that are hashed."""
    for file in settings.known_hosts:
        if MARK.encode() not in _read(file):
            continue
        argv = ["ssh-keygen", "-F", settings.known_as, "-f", file]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        words = (line.split() for line in done.stdout.splitlines())
        yield from (line[3] for line in words if line[:1] == [MARK] and len(line) > 3)


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""
