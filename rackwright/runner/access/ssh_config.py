"""What OpenSSH would do for a host: `ssh -G` reads its configuration, and we read the outcome.

So ``Match``, ``Include``, patterns, ``ProxyJump none`` and what a later release brings mean here
what they mean to `ssh HOST`.
"""

from __future__ import annotations

import shlex
import subprocess
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackwright.errors import HostError

PORT = 22


@dataclass(frozen=True)
class SshSettings:
    """Of one host: where it is, through what it is reached, and which keys are for it.

    ``config_file`` is the operator's where data names one. ``identities`` are private keys that
    there are, ``known_hosts`` the files of host keys, the first of which new ones are written to.
    """

    hostname: str
    port: int
    user: str
    config_file: str | None
    jump: str | None
    command: str | None
    identities: tuple[str, ...]
    certificates: tuple[str, ...]
    known_hosts: tuple[str, ...]
    agent: str | None
    strict: bool

    @property
    def known_as(self) -> str:
        """How known_hosts names the host."""
        return self.hostname if self.port == PORT else f"[{self.hostname}]:{self.port}"

    def text(self) -> str:
        """As an ssh_config for one host, of what pyinfra reads and is not given otherwise."""
        lines = [f"UserKnownHostsFile {' '.join(self.known_hosts)}"]
        lines += [f"CertificateFile {name}" for name in self.certificates]
        if self.certificates:  # pyinfra looks at one where it loads the other
            lines += [f"IdentityFile {name}" for name in self.identities]
        if self.agent:
            lines.append(f"IdentityAgent {self.agent}")
        return "\n".join(lines) + "\n"


def ssh_settings(name: str, data: Mapping[str, Any]) -> SshSettings:
    """What `ssh NAME` would do, with pyinfra's host data (``ssh_user`` and its kin) as options.

    Raises HostError in ssh's words where it refuses them.
    """
    read = _read(["ssh", "-G", "-T", *ssh_options(data), "--", str(data["ssh_hostname"] or name)])
    key = data["ssh_key"]
    if key and not Path(key).expanduser().is_file():
        raise HostError(f"ssh_key {key}: no such file")
    return SshSettings(
        hostname=read["hostname"][0],
        port=int(read["port"][0]),
        user=read["user"][0],
        config_file=data["ssh_config_file"],
        jump=_unless_none(read["proxyjump"]),
        command=_unless_none(read["proxycommand"]),
        identities=_existing(read["identityfile"]),
        certificates=_existing(read["certificatefile"]),
        known_hosts=_known_hosts(read, data["ssh_known_hosts_file"]),
        agent=_agent(read["identityagent"]),
        strict=read["stricthostkeychecking"] in (["true"], ["yes"]),
    )


def ssh_options(data: Mapping[str, Any]) -> list[str]:
    """Host data as options of ssh, for every program of OpenSSH that takes a host."""
    flags = {
        "-F": data.get("ssh_config_file"),
        "-J": data.get("ssh_proxyjump"),
        "-l": data.get("ssh_user"),
        "-p": data.get("ssh_port"),
        "-i": data.get("ssh_key"),
    }
    return [word for flag, value in flags.items() if value for word in (flag, str(value))]


def command_words(settings: SshSettings, host: str) -> str:
    """The ``ProxyCommand`` with its tokens replaced, as ssh does before sh runs it."""
    values = {
        "%": "%",
        "h": settings.hostname,
        "n": host,
        "p": str(settings.port),
        "r": settings.user,
    }
    found = ""
    rest = settings.command or ""
    while rest:
        before, sign, rest = rest.partition("%")
        found += before + (values.get(rest[:1], f"%{rest[:1]}") if sign else "")
        rest = rest[1:] if sign else ""
    return found


def _read(argv: list[str]) -> dict[str, list[str]]:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise HostError(f"OpenSSH's client is needed: {error}") from None
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or ["no words"]
        raise HostError(f"`{shlex.join(argv)}` says: {words[-1]}")
    read: dict[str, list[str]] = defaultdict(list)
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        read[keyword].append(value)
    return read


def _unless_none(values: list[str]) -> str | None:
    return values[0] if values and values[0].lower() != "none" else None


def _existing(names: list[str]) -> tuple[str, ...]:
    paths = (Path(name).expanduser() for name in names)
    return tuple(str(path) for path in paths if path.is_file())


def _known_hosts(read: Mapping[str, list[str]], given: str | None) -> tuple[str, ...]:
    """The operator's file though it may not exist yet, and what else there is."""
    if given:
        return (str(Path(given).expanduser()),)
    users = " ".join(read["userknownhostsfile"]).split()
    machines = " ".join(read["globalknownhostsfile"]).split()
    first = [str(Path(name).expanduser()) for name in users[:1]]
    return (*first, *_existing(users[1:] + machines))


def _agent(values: list[str]) -> str | None:
    name = _unless_none(values)
    return None if name in (None, "SSH_AUTH_SOCK") else name
