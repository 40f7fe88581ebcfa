"""Drivers through the real apt, on Debian 12 and 13, from imitated and real archives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.apt.repository import URL
from tests.lab.conftest import lab, ssh

HOSTS = {"deb12": "debian12", "deb13": "debian13"}
SOURCE = "/etc/apt/sources.list.d/by-hand.list"
KEY = "/etc/apt/keyrings/by-hand.asc"


@pytest.fixture(scope="module")
def bare() -> Iterator[None]:
    """deb12 and deb13 as debootstrap left them."""
    lab("down", *HOSTS)
    up = lab("up", *HOSTS)
    assert up.returncode == 0, up.stderr
    yield
    lab("down", *HOSTS)


def update_by_hand(host: str, variant: str = "") -> str:
    """What apt says to one variant of the repository, under the key that is offered beside it."""
    key = "sha1" if variant == "/sha1" else "lab"
    folder = f"{URL}{variant}/repos/{HOSTS[host]}/x86_64"
    return ssh(
        host,
        f"mkdir -p /etc/apt/keyrings; curl -sf {folder}/{key}.pub > {KEY};"
        f"echo 'deb [signed-by={KEY}] {folder}/ /' > {SOURCE};"
        f"apt-get update -o Dir::Etc::sourcelist={SOURCE} -o Dir::Etc::sourceparts=- 2>&1;"
        f"rm {SOURCE} {KEY}",
    )


@pytest.mark.parametrize("host", HOSTS)
def test_apt_itself_judges_the_imitation_as_it_judges_nvidias(bare: None, host: str) -> None:
    assert "\nE:" not in update_by_hand(host)
    assert "is not signed" in update_by_hand(host, "/stranger")
    refused = "is not signed" in update_by_hand(host, "/sha1")
    assert refused == (host == "deb13")
