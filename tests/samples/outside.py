"""What lies outside of a fleet, recorded: hosts, an index by way of uv, a hub."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rackwright.errors import HostError
from rackwright.locking.outside import Wanted

SHA = "ab" * 32
LFS = "cd" * 32
CONFIG = b'{"architectures": ["LlamaForCausalLM"]}'


def _entry(file: str, size: int, digit: str) -> str:
    hashes = f'hashes = {{ sha256 = "{digit * 64}" }}'
    return f'{{ url = "https://index.example/{file}", size = {size}, {hashes} }}'


_WHEELS = ",\n".join(
    _entry(f"numpy-2.4.1-{tags}.whl", size, digit)
    for tags, size, digit in (
        ("cp311-cp311-manylinux_2_27_x86_64", 100, "1"),
        ("cp311-cp311-manylinux_2_28_x86_64", 200, "2"),
        ("py3-none-any", 10, "3"),
        ("cp312-cp312-manylinux_2_28_x86_64", 300, "4"),
    )
)
PYLOCK = f"""
lock-version = "1.0"
[[packages]]
name = "numpy"
version = "2.4.1"
sdist = {_entry("numpy-2.4.1.tar.gz", 900, "0")}
wheels = [{_WHEELS}]
[[packages]]
name = "oldest"
version = "1.0"
sdist = {_entry("oldest-1.0.tar.gz", 7, "0")}
"""
"""As uv writes it: a wheel for each glibc, one for any system, one of another Python, a source."""
PYTHONS = [
    {"version": version, "arch": arch, **{"os": "linux", "libc": "gnu", "variant": variant}}
    | {"implementation": "cpython"}
    for version, arch, variant in (
        ("3.14.10", "x86_64", "freethreaded"),
        ("3.14.10", "aarch64", "default"),
        ("3.13.18", "x86_64", "default"),
    )
]
"""What ``uv python list`` tells, cut short."""


def deb(version: str, size_bytes: int = 1000) -> dict[str, Any]:
    """A package as a host offers it."""
    digest = hashlib.sha256(version.encode()).hexdigest()
    return {"version": version, "size_bytes": size_bytes, "sha256": digest}


def answer(wanted: Sequence[str], driver: str | None = None) -> dict[str, Any]:
    """What a host with Debian 12 says: each package that is wanted, and what all of them need."""
    of_driver = ["nvidia-driver-cuda"] if driver else []
    groups = {
        "system": {"packages": {name: deb("1.0-1") for name in (*wanted, "libdep1")}},
        "driver": {"packages": {name: deb(f"{driver}-1") for name in of_driver}},
    }
    return {
        "id": "debian",
        "version_id": "12",
        "codename": "bookworm",
        "architecture": "amd64",
        "glibc": "2.36",
        "python": "3.11.2",
        "groups": groups,
        "archives": {"Debian bookworm": "20260711T101637Z"},
        "complaints": "",
        "models": {},
        "wanted": {"system": list(wanted), "driver": of_driver},
        "driver": {"version": driver, "archive": "nvidia-debian"} if driver else None,
    }


@dataclass
class Recorded:
    """``Outside`` from records; ``asked`` keeps what was asked, ``silent`` hosts say nothing."""

    drivers: Mapping[str, str] = field(default_factory=dict)
    of_hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    silent: Sequence[str] = ()
    pages: Mapping[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    wanted: Mapping[str, Wanted] = field(default_factory=dict)

    def uv(self, *arguments: str) -> str:
        """The index, or Pythons."""
        self.asked.append(" ".join(arguments[:2]))
        return json.dumps(PYTHONS) if arguments[0] == "python" else PYLOCK

    def get(self, url: str) -> bytes:
        """A page that was recorded."""
        self.asked.append(url)
        for end, content in self.pages.items():
            if url.endswith(end):
                return content
        raise HostError(f"{url}: HTTP 404")

    def size_bytes(self, url: str) -> int | None:
        """Every archive is as large."""
        self.asked.append(url)
        return 4711

    def hosts(self, wanted: Mapping[str, Wanted]) -> dict[str, Mapping[str, Any]]:
        """Each host as recorded, else with Debian 12."""
        self.asked.append("hosts")
        self.wanted = wanted
        return {
            name: {"error": "no route to it"}
            if name in self.silent
            else {**answer(of.packages, self.drivers.get(name)), **self.of_hosts.get(name, {})}
            for name, of in wanted.items()
        }


def hub_pages(*more: Mapping[str, Any]) -> dict[str, bytes]:
    """A repository on the hub: a small file in git, a large one beside it; ``more`` entries."""
    entries = [
        {"type": "file", "path": ".gitattributes", "size": 3, "oid": "0" * 40},
        {"type": "file", "path": "config.json", "size": len(CONFIG), "oid": "1" * 40},
        {"type": "directory", "path": "original", "size": 0, "oid": "2" * 40},
        {"type": "file", "path": "model.safetensors", "size": 130, "oid": "3" * 40,
         "lfs": {"oid": LFS, "size": 16_000_000_000, "pointerSize": 130}},
        *more,
    ]  # fmt: skip
    return {"?recursive=true": json.dumps(entries).encode(), "/config.json": CONFIG}
