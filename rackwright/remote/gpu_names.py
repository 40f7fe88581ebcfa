"""The part of the probe that a plan is carried out by: which GPUs are where, and a quarantine."""

from __future__ import annotations

from typing import Any

from rackwright.remote.host.quarantine import quarantine
from rackwright.remote.nvidia.gpu import named
from rackwright.remote.nvidia.session import handles, started
from rackwright.remote.reader import Reader

ONLY_LOOKS = True


def main(watchdog: str | None = None) -> dict[str, Any]:
    """``gpus`` and ``unavailable`` as ``probe`` has them, with fewer keys. Never raises.

    ``watchdog`` is the folder of one, whose quarantine is told too (``remote/host/quarantine.py``).
    """
    reader = Reader()
    return {
        "gpus": reader.read("nvml", _gpus, reader) or [],
        **({"quarantine": quarantine(watchdog)} if watchdog else {}),
        "unavailable": reader.unavailable,
    }


def _gpus(reader: Reader) -> list[Any]:
    with started() as nvml:
        known = enumerate(handles(reader, nvml))
        return [named(reader, nvml, index, handle) for index, handle in known]
