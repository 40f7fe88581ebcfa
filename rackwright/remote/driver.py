"""On the host: what decides about its NVIDIA driver, what an archive offers, load, reboot.

Everything but ``load`` and ``reboot`` only reads. The shape of what is observed (``?`` may be null;
``unavailable`` then says why)::

    os, unavailable   as the probe gives them
    pci?              NVIDIA's devices: address, class ("0302"), acs_redirects? (bridges above it)
    headers?          whether the running kernel's headers are there
    on_disk?          version of the module that the running kernel would load; "" for none
    kernels?          what may boot next, as the probe gives it
    open?             whether the loaded module is the open one; null where none is loaded
    nouveau?          whether that module is loaded
    users?            processes that have an NVIDIA device open: pid, command, cgroups
    packages?         of the driver and CUDA: name, version, status, origins ("URI suite/component")
    sources?          what apt is configured for, one text a file: path, text
    runfile?          what NVIDIA's own installer leaves and no package owns
    free_bytes?       of /boot, /usr and /var
    boot_id?          changes with every boot
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from rackwright.remote.host.archives import look
from rackwright.remote.host.operating_system import OPERATING_SYSTEM
from rackwright.remote.host.running import ended, output
from rackwright.remote.nvidia.facts import FACTS, boot_id
from rackwright.remote.nvidia.kernel_module import load, why
from rackwright.remote.reader import Reader

Values = dict[str, Any]


def observe() -> Values:
    """All facts; one that cannot be had is null, and ``unavailable`` says why."""
    reader = Reader()
    seen = {name: reader.read(name, question) for name, question in FACTS.items()}
    system = reader.fill("os", OPERATING_SYSTEM)
    return {**seen, "os": system, "unavailable": reader.unavailable}


def stop(units: Sequence[str]) -> Values:
    """Stop those of the units that are there; each takes the time it is given to finish."""
    if units:
        ended("systemctl", "stop", *units)
    return {}


def start(units: Sequence[str]) -> Values:
    """Start units again; whoever deploys them waits for them."""
    output("systemctl", "--no-block", "start", *units)
    return {}


def reboot(units: Sequence[str]) -> Values:
    """Stop units as they want to be stopped, then reboot; says which boot this was."""
    boot = boot_id()
    stop(units)
    os.sync()
    output("systemctl", "--no-block", "reboot")
    return {"boot_id": boot}


def main(request: Values) -> Any:
    """``do`` is observe, look, load, why, stop, start or reboot."""
    do = request["do"]
    if do == "observe":
        return observe()
    if do == "look":
        return look(request)
    if do == "reboot":
        return reboot(request["units"])
    if do in ("stop", "start"):
        return (stop if do == "stop" else start)(request["units"])
    return load(request["build"]) if do == "load" else why()
