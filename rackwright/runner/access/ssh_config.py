"""What OpenSSH would do for a host: `ssh -G` reads its configuration, and we read the outcome.

So ``Match``, ``Include``, patterns, ``ProxyJump none`` and what a later release brings mean here
what they mean to `ssh HOST`.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

from rackwright.errors import HostError
from rackwright.runner.access.openssh import answer

PORT = 22


@dataclass(frozen=True)
class SshSettings:
    """Of one host: where it is, through what it is reached, and which keys are for it.

    ``config_file`` is the operator's where data names one. ``identities`` are private keys that
    there are, ``known_hosts`` the files of host keys, the first of which new ones are written to.
    ``agent`` is the socket of one that is not the environment's; empty where none is to be asked.
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
    alias: str | None = None

    @property
    def known_as(self) -> str:
        """How known_hosts names the host: by its ``HostKeyAlias``, or where it is."""
        where = self.hostname if self.port == PORT else f"[{self.hostname}]:{self.port}"
        return self.alias or where

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
    tokens = _tokens(name, read)
    key = data["ssh_key"]
    if key and not Path(key).expanduser().is_file():
        raise HostError(f"ssh_key {key}: no such file")
    return SshSettings(
        hostname=read["hostname"][0],
        port=int(read["port"][0]),
        user=read["user"][0],
        config_file=data["ssh_config_file"],
        jump=_unless_none(read["proxyjump"]),
        command=_replaced(_unless_none(read["proxycommand"]), tokens),
        identities=_existing(read["identityfile"], tokens),
        certificates=_existing(read["certificatefile"], tokens),
        known_hosts=_known_hosts(read, tokens, data["ssh_known_hosts_file"]),
        agent=_agent(read["identityagent"]),
        strict=read["stricthostkeychecking"] in (["true"], ["yes"]),
        alias=_unless_none(read["hostkeyalias"]),
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


def _tokens(name: str, read: Mapping[str, list[str]]) -> dict[str, str]:
    """What stands for what in the configuration (ssh_config(5), TOKENS)."""
    return {
        "%": "%",
        "d": str(Path.home()),
        "h": read["hostname"][0],
        "n": name,
        "p": read["port"][0],
        "r": read["user"][0],
        "u": getuser(),
    }


def _replaced(text: str | None, tokens: Mapping[str, str]) -> str | None:
    """A text with its tokens replaced, as ssh does before it uses it; others are left."""
    return text and re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), text)


def _read(argv: list[str]) -> dict[str, list[str]]:
    read: dict[str, list[str]] = defaultdict(list)
    for line in answer(argv).splitlines():
        keyword, _, value = line.partition(" ")
        read[keyword].append(value)
    return read


def _unless_none(values: list[str]) -> str | None:
    return values[0] if values and values[0].lower() != "none" else None


def _existing(names: list[str], tokens: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(path for path in _paths(names, tokens) if Path(path).is_file())


def _paths(names: list[str], tokens: Mapping[str, str]) -> list[str]:
    replaced = (_replaced(name, tokens) or "" for name in names)
    return [str(Path(os.path.expandvars(name)).expanduser()) for name in replaced]


def _known_hosts(
    read: Mapping[str, list[str]], tokens: Mapping[str, str], given: str | None
) -> tuple[str, ...]:
    """The operator's file though it may not exist yet, and what else there is."""
    if given:
        return (str(Path(given).expanduser()),)
    users, machines = _files(read["userknownhostsfile"]), _files(read["globalknownhostsfile"])
    first = _paths(users[:1], tokens) or [os.devnull]  # ssh keeps no key then, and asks each time
    return (*first, *_existing(users[1:] + machines, tokens))


def _files(values: list[str]) -> list[str]:
    """Names of files out of `ssh -G`, which writes several in one line without quotes.

    Raises HostError for one that may have a blank in it: keys would be looked for in another file,
    and a host whose key changed would pass for one that is new.
    """
    names = [name for name in " ".join(values).split() if name.lower() != "none"]
    for name in names:
        if name[0] not in "/~$%":
            raise HostError(
                f"known_hosts files must be absolute paths without blanks (got {values[0]!r})"
            )
    return names


def _agent(values: list[str]) -> str | None:
    """A name that begins with a dollar is that of a variable of the environment."""
    if not values or values[0] == "SSH_AUTH_SOCK":
        return None
    name = values[0] if values[0].lower() != "none" else ""
    if name.startswith("$"):
        name = os.environ.get(name[1:], "")
    return None if name and name == os.environ.get("SSH_AUTH_SOCK") else name
