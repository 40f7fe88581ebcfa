"""drivers.yaml: what must hold for every entry, and the keys that it names."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from rackwright.catalog.drivers import drivers, numbers
from rackwright.driver import sources
from rackwright.driver.facts import CODENAMES, DISTRIBUTIONS

BRANCHES = drivers().branches


@pytest.mark.parametrize("number", BRANCHES)
def test_a_branch_is_consistent(number: int) -> None:
    branch = BRANCHES[number]
    assert branch.number == number
    assert branch.supported_until is None or re.fullmatch(r"20\d\d-\d\d", branch.supported_until)
    assert branch.archives <= {"nvidia", "ubuntu", "debian12", "debian13"}
    assert all(numbers(version)[0] == number for version in branch.kernels)
    assert branch.suffixed == (number < 590)


def test_newer_versions_build_on_newer_kernels() -> None:
    for branch in BRANCHES.values():
        versions = sorted(branch.kernels, key=numbers)
        kernels = [numbers(branch.kernels[version]) for version in versions]
        assert kernels == sorted(kernels)


@pytest.mark.parametrize(
    ("version", "kernel"),
    [("580.159.04", "7.1"), ("580.178.04", "7.1"), ("580.126.20", "6.18"), ("580.65.06", None)],
)
def test_the_newest_kernel_follows_the_version(version: str, kernel: str | None) -> None:
    assert BRANCHES[580].newest_kernel(version) == kernel


def fingerprint(armored: str) -> str:
    """Of a version 4 public key: SHA-1 over its first packet (RFC 4880, 12.2)."""
    lines = armored.split("-----")[2].strip().splitlines()
    data = base64.b64decode("".join(line for line in lines if not line.startswith("=")))
    head = data[0]
    if head & 0x40:
        raise AssertionError("a packet of the new format: not how these keys are written")
    size = 1 << (head & 3)
    length = int.from_bytes(data[1 : 1 + size], "big")
    body = data[1 + size : 1 + size + length]
    return hashlib.sha1(b"\x99" + length.to_bytes(2, "big") + body).hexdigest().upper()


@pytest.mark.parametrize("name", drivers().keys)
def test_a_key_is_the_one_that_is_named(name: str) -> None:
    assert fingerprint(sources.key_of(name)) == drivers().keys[name]


def test_every_supported_release_has_a_repository_with_a_known_key() -> None:
    assert set(drivers().repositories) == set(DISTRIBUTIONS.values()) == set(CODENAMES)
    assert set(drivers().repositories.values()) == set(drivers().keys)


def test_every_toolkit_is_of_a_cuda_that_is_known() -> None:
    assert {numbers(version)[0] for version in drivers().toolkits} <= set(drivers().cuda)
