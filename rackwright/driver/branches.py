"""Which branch a driver version is of, and whose kernel modules a GPU gets of it."""

from __future__ import annotations

from rackwright.catalog import GpuType
from rackwright.catalog.drivers import Branch, drivers, numbers
from rackwright.spec import Settings


def branch_of(version: str) -> Branch | None:
    """The branch of a driver version; None for one that the catalog lacks."""
    return drivers().branches.get(numbers(version)[0])


def modules_of(settings: Settings, gpu: GpuType, branch: Branch) -> str:
    """``open`` or ``proprietary``: as set, else open wherever the GPU is new enough for it."""
    if settings.driver_modules != "auto":
        return settings.driver_modules
    old = gpu.compute_capability < drivers().open_modules.minimum_capability
    return "proprietary" if old else "open"
