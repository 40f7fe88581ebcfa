"""SSH keys of the lab and of its hosts, and the ssh_config by which everything reaches them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.fleet import ALL, LAB, LabHost
from lab.shell import sh


def write_keys(hosts: Sequence[LabHost]) -> None:
    """Make the operator's key and one host key each; kept, so that known_hosts stays true."""
    for path in (LAB / "id_ed25519", *(LAB / f"host_{host.name}" for host in hosts)):
        if not path.exists():
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path))


def write_ssh_config() -> None:
    """Write ssh_config and known_hosts for every host that has a key."""
    known = [host for host in ALL if _public(host).exists()]
    lines = [f"{host.address} {' '.join(_public(host).read_text().split()[:2])}" for host in known]
    _put(LAB / "known_hosts", "\n".join(lines) + "\n")
    _put(LAB / "ssh_config", "".join(_entry(host) for host in known))


def _put(path: Path, text: str) -> None:
    """By a rename: hosts that are up already are asked by these files at any time."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


def _public(host: LabHost) -> Path:
    return LAB / f"host_{host.name}.pub"


def _entry(host: LabHost) -> str:
    return (
        f"Host {host.name}\n"
        f"  HostName {host.address}\n"
        f"  User root\n"
        f"  IdentityFile {LAB / 'id_ed25519'}\n"
        f"  IdentitiesOnly yes\n"
        f"  UserKnownHostsFile {LAB / 'known_hosts'}\n"
        f"  StrictHostKeyChecking yes\n"
    )
