"""What the pinned engines ask of the driver, by the catalog's table of engine builds."""

from __future__ import annotations

from collections.abc import Collection

from rackwright.catalog.drivers import drivers
from rackwright.spec import Settings


def cuda_majors(settings: Settings, engines: Collection[str]) -> dict[str, int]:
    """``vllm 0.32.0`` -> the CUDA major it is built with, for builds that use GPUs and are known.

    Of the ``engines`` that a server runs. An engine's settings are named after it: its version, and
    its build where there are several.
    """
    found = {}
    for name in sorted(set(engines) & set(drivers().engines)):
        version = getattr(settings, f"{name}_version", None)
        major = drivers().cuda_of(name, version) if version else None
        if major is not None and getattr(settings, f"{name}_build", "cuda") == "cuda":
            found[f"{name} {version}"] = major
    return found
