"""The part of the probe that changes from second to second: memory, load, processes of GPUs."""

from __future__ import annotations

from typing import Any

from rackwright.remote.nvidia.gpu import glanced
from rackwright.remote.nvidia.session import handles, started
from rackwright.remote.reader import Reader

ONLY_LOOKS = True


def main() -> dict[str, Any]:
    """``gpus`` and ``unavailable`` as ``probe`` has them, with fewer keys. Never raises."""
    reader = Reader()
    return {"gpus": reader.read("nvml", _gpus, reader) or [], "unavailable": reader.unavailable}


def _gpus(reader: Reader) -> list[Any]:
    with started() as nvml:
        known = enumerate(handles(reader, nvml))
        return [glanced(reader, nvml, index, handle) for index, handle in known]
