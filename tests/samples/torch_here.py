"""Torch for tests of what travels to a release's own Python: a real one where this machine has it.

The lab's release of vLLM (`make lab-up` builds it in `.cache`) brings torch's CPU build.
"""

from __future__ import annotations

import os
from pathlib import Path

CACHE = Path(os.environ.get("RACKWRIGHT_CACHE", Path(__file__).parents[2] / ".cache"))


def python_with_torch() -> Path | None:
    """The interpreter of a release in the cache; None before the lab was there."""
    found = sorted(CACHE.glob("vllm-*-cpu-*/bin/python"))
    return found[-1] if found else None
