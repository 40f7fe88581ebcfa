"""What hosts have, asked of them, and told apart in words: all tools must have made the same."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.fleet import LAB, LabHost

Fingerprint = Mapping[str, Any]
MOST = 12
"""Differences that are told; there may be thousands."""
_SCRIPT = Path(__file__).with_name("fingerprint.py")


def fingerprints(hosts: Sequence[LabHost]) -> dict[str, Fingerprint]:
    """What each host has now."""
    return {host.name: _asked(host) for host in hosts}


def _asked(host: LabHost) -> Fingerprint:
    argv = ["ssh", "-F", str(LAB / "ssh_config"), host.name, "python3 -"]
    done = subprocess.run(argv, input=_SCRIPT.read_text(), capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{host.name}: {done.stderr}")
    found: Fingerprint = json.loads(done.stdout)
    return found


def differences(one: Mapping[str, Fingerprint], other: Mapping[str, Fingerprint]) -> Iterator[str]:
    """In words what differs, host by host; ``one`` is said first."""
    for host in one.keys() | other.keys():
        for part in ("packages", "units", "firewall", "listening", "tree"):
            yield from (f"{host}: {words}" for words in _of(one[host][part], other[host][part]))


def _of(one: Any, other: Any) -> Iterator[str]:
    if isinstance(one, list):
        one, other = dict.fromkeys(one, "there"), dict.fromkeys(other, "there")
    for key in sorted(one.keys() | other.keys()):
        if one.get(key) != other.get(key):
            yield f"{key}: {one.get(key)} and {other.get(key)}"
