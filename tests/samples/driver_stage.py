"""Deploys of the driver stage alone, and all of a host that they change."""

from __future__ import annotations

from collections.abc import Sequence

from tests.samples.lab_hosts import ssh

INSTALLED = "dpkg-query --show --showformat '${Package} ${db:Status-Abbrev} ${Version}\\n'"
STATE = f"{INSTALLED}; apt-mark showhold; find /etc -type f | sort | xargs sha256sum"
"""All of a host that an installation changes."""


def only(hosts: Sequence[str], *words: str) -> list[str]:
    """The words of a deploy of the driver stage to some hosts."""
    limits = [word for host in hosts for word in ("--limit", host)]
    return ["--data", "stages=driver", *limits, *words]


def setting(name: str, value: str) -> tuple[str, str]:
    return ("--data", f"{name}={value}")


def states(*hosts: str) -> list[str]:
    return [ssh(host, STATE) for host in hosts]
