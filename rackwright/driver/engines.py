"""What the pinned engines ask of the driver, by what each says its releases are built with."""

from __future__ import annotations

from collections.abc import Collection

from rackwright.engines import ENGINES
from rackwright.engines.release import cuda_of
from rackwright.spec import Settings


def cuda_majors(settings: Settings, engines: Collection[str]) -> dict[str, int]:
    """``vllm 0.32.0`` -> the CUDA major it is built with, for builds that use GPUs and are known.

    Of the ``engines`` that a server runs.
    """
    majors = {}
    for engine in (ENGINES[name] for name in sorted(set(engines) & set(ENGINES))):
        version = engine.pinned(settings)
        major = cuda_of(engine.cuda_builds, version) if version else None
        if major is not None and engine.uses_gpus(settings):
            majors[f"{engine.name} {version}"] = major
    return majors
