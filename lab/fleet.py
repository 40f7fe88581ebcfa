"""The hosts of the lab. ``inventories/lab.py`` says what they serve; here is what they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("RACKWRIGHT_CACHE", ROOT / ".cache")).resolve()
"""Base image, downloaded packages and the tiny model: expensive to make, safe to delete."""
RUN = Path("/run/rackwright-lab")
"""What is up now, for `down` to take away: on tmpfs, so that a reboot forgets it."""
LAB = ROOT / ".cache" / "lab"
"""What this clone's tools read: ssh_config, keys. A fixed path, for inventories to name."""

BRIDGE = "rwlab0"
GATEWAY_ADDRESS = "198.18.0.1"  # RFC 2544: a range reserved for tests of network devices
NETWORK = "198.18.0.0/24"
TINY_MODEL = "/srv/models/tiny-llama"
TINY_GGUF = "/srv/models/tiny-gguf"


@dataclass(frozen=True)
class LabHost:
    """One host: name, address on the bridge, GPUs its NVML stand-in shows, release of Debian.

    With an ``imitated_kernel`` that stand-in comes with a driver's packages (``lab/kernel``), and
    an ``nvswitch`` may be on its PCI bus.
    """

    name: str
    address: str
    gpu_profile: str | None = None
    suite: str = "bookworm"
    imitated_kernel: bool = False
    nvswitch: bool = False


HOSTS = (
    LabHost("gw1", "198.18.0.10"),
    LabHost("gpu1", "198.18.0.11", gpu_profile="h200x2"),
    LabHost("gpu2", "198.18.0.12", gpu_profile="h200x1"),
)
SPARES = tuple(LabHost(f"spare{n}", f"198.18.0.{20 + n}") for n in range(1, 5))
"""Bare hosts without GPUs, for tests and benchmarks; up only when asked for by name."""
DOOR = LabHost("door1", "198.18.0.31")
"""One more, the gateway of the rack's first servers; up only when asked for."""
RACK = tuple(LabHost(f"rack{n}", f"198.18.0.{40 + n}", gpu_profile="h200x2") for n in range(1, 9))
"""Servers of two GPUs each, to measure what a fleet costs; up only when asked for by name."""
ENGINES = LabHost("gpu3", "198.18.0.13", gpu_profile="h200x2")
"""A server for the tests of the other engines; up only when asked for."""
BOX = LabHost("box", "198.18.0.30", gpu_profile="h200x1")
"""One machine for everything, which deploys to itself (`@local`); up only when asked for."""
TWINS = (
    LabHost("twin1", "198.18.0.83", gpu_profile="h200x1"),
    LabHost("twin2", "198.18.0.84", gpu_profile="h200x1"),
)
"""Two servers that are alike; up only for tests/lab/test_30_seeds.py."""
BASTIONS = (
    LabHost("bastion1", "198.18.0.71", suite="trixie"),  # its sudo has a terminal for commands
    LabHost("bastion2", "198.18.0.72"),
)
RENTED = (LabHost("rented1", "198.18.0.73", "h200x1"), LabHost("rented2", "198.18.0.74"))
"""Behind the bastions, for a user with sudo; up only for tests/lab/test_16_access.py."""
BARE = (
    LabHost("deb12", "198.18.0.61"),
    LabHost("deb13", "198.18.0.62", suite="trixie"),
    LabHost("drv12", "198.18.0.63", "h200x2", imitated_kernel=True, nvswitch=True),
    LabHost("drv13", "198.18.0.64", "h200x2", suite="trixie", imitated_kernel=True),
)
"""Without a driver, for what installs one; deb12 and deb13 have no GPU either."""
FENCED = (
    LabHost("fence1", "198.18.0.81", "h200x2"),
    LabHost("fence2", "198.18.0.82", "h200x2", suite="trixie"),
)
"""Of two releases; a test cuts their way out (``lab/fence.py``), up only for it."""
ALL = (*HOSTS, *SPARES, DOOR, *RACK, *TWINS, ENGINES, BOX, *BASTIONS, *RENTED, *BARE, *FENCED)


def host_named(name: str) -> LabHost:
    """The lab host of that name; LabError when there is none."""
    known = {host.name: host for host in ALL}
    if name not in known:
        raise LabError(f"there is no host named {name!r}, only {', '.join(known)}")
    return known[name]
