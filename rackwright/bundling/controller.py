"""What the controller itself is installed from, inside the fence."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import NamedTuple

from rackwright.bundling.wanted import Wanted
from rackwright.desired.paths import PROJECT
from rackwright.locking.wheels import MACHINES, Target

FOLDER = "controller"
REQUIREMENTS = "requirements.txt"
INSTALL = """\
The controller's own environment, without a network: in a checkout of Rackwright that was carried in
too, with {python} on {machine}, where BUNDLE is the folder that manifest.json is in:

    python3 -m venv .venv
    .venv/bin/python -m pip install --no-index --find-links BUNDLE/wheels \\
        --require-hashes -r requirements.txt
    .venv/bin/python -m pip install --no-index --no-deps --no-build-isolation --editable .

Then, with `bundle = "BUNDLE"` in group data:

    .venv/bin/rackwright bundle INVENTORY --out BUNDLE --verify
    .venv/bin/pyinfra INVENTORY deploy.py
"""


class OwnFiles(NamedTuple):
    """Files to fetch and to write, and what has none."""

    wanted: list[Wanted]
    written: dict[str, bytes]
    faults: list[str]


def own_target() -> Target:
    """Of the Python that runs this, which the controller inside is to be alike."""
    names = {machine: architecture for architecture, machine in MACHINES.items()}
    machine = platform.machine()
    libc = platform.libc_ver()[1]
    return Target(platform.python_version(), names.get(machine, machine), libc)


def controller_files(
    wheels_of: Callable[[str, Target], tuple[list[Wanted], list[str]]],
) -> OwnFiles:
    """The wheels of the project's own requirements file, and how to install from them."""
    own = own_target()
    chosen, without = wheels_of(REQUIREMENTS, own)
    python = f"Python {'.'.join(own.python.split('.')[:2])}"
    text = INSTALL.format(python=python, machine=own.machine)
    written = {
        f"{FOLDER}/{REQUIREMENTS}": (PROJECT / REQUIREMENTS).read_bytes(),
        f"{FOLDER}/INSTALL.txt": text.encode(),
    }
    return OwnFiles(chosen, written, [f"has no wheel of {one}" for one in without])
