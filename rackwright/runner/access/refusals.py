"""Why a host could not be reached, in words that say what to do."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator

from paramiko import AuthenticationException, BadHostKeyException

from rackwright.runner.access.jump import Tunnel
from rackwright.runner.access.ssh_config import SshSettings

SAID_LINES = 3
"""Of ssh: the first; what follows are the ends of what had hung on them."""
UNKNOWN = "Host key verification failed"
CHANGED = (
    "Nothing was sent to it. A server that was installed anew has another key, and so has one that "
    "is not yours: compare it with what the provider's console shows, and only then run"
)


def why(
    host: str, settings: SshSettings, error: BaseException, words: str, tunnel: Tunnel | None
) -> str:
    """``error`` is what paramiko raised, ``words`` what pyinfra made of it."""
    if isinstance(error, BadHostKeyException):
        return _other_key(host, settings, error)
    if tunnel and (said := tunnel.words()) and not isinstance(error, AuthenticationException):
        return f"not reached through {tunnel.name}: {_jumps_words(said)}"
    if isinstance(error, AuthenticationException):
        tried = ", ".join(settings.identities) or "no key file"
        return (
            f"{settings.user}@{settings.hostname} port {settings.port} accepts none of the "
            f"operator's keys ({tried}; and what an agent holds): {error}"
        )
    return words


def _other_key(host: str, settings: SshSettings, error: BadHostKeyException) -> str:
    """Names host, file and line, and how to remove it."""
    shown, known = error.key, error.expected_key
    places = list(_places(settings)) or [(settings.known_hosts[0], "?")]
    removal = "; ".join(
        f"ssh-keygen -f {shlex.quote(file)} -R {shlex.quote(settings.known_as)}"
        for file in dict.fromkeys(file for file, _ in places)
    )
    where = " and ".join(f"{file} line {line}" for file, line in places)
    return (
        f"{host} ({settings.known_as}) shows another host key ({shown.get_name()} "
        f"{shown.fingerprint}) than {where} has ({known.get_name()} {known.fingerprint}). "
        f"{CHANGED}: {removal}"
    )


def _places(settings: SshSettings) -> Iterator[tuple[str, str]]:
    """Files and lines that know the host, also where its name is hashed there."""
    for file in settings.known_hosts:
        argv = ["ssh-keygen", "-F", settings.known_as, "-f", file]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        for line in re.findall(r"found: line (\d+)", done.stdout):
            yield file, line


def _jumps_words(said: str) -> str:
    """Of ssh on the way; its page about a changed key in one sentence of the same kind as ours."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    offending = re.search(r"Offending \S+ key in (.+):(\d+)", said)
    if "IDENTIFICATION HAS CHANGED" in said and offending:
        file, line = offending.groups()
        name = next(iter(re.findall(r"Host key for (\S+) has changed", said)), "the jump host")
        removal = f"ssh-keygen -f {shlex.quote(file)} -R {shlex.quote(name)}"
        return f"{name} shows another host key than {file} line {line} has. {CHANGED}: {removal}"
    if UNKNOWN in said:
        lines.insert(0, "run `ssh` to it once, and compare its key with the provider's")
    return "; ".join(lines[:SAID_LINES])
