"""NVML between its start and its end, and what it says of the driver."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from rackwright.remote.reader import Reader

NVML: dict[str, Any] = {
    "driver_version": lambda nvml: nvml.nvmlSystemGetDriverVersion(),
    "nvml_version": lambda nvml: nvml.nvmlSystemGetNVMLVersion(),
    "cuda_version": lambda nvml: _cuda(nvml.nvmlSystemGetCudaDriverVersion_v2()),
}
"""The questions about the driver, asked with (pynvml,)."""


def _cuda(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


@contextlib.contextmanager
def started() -> Iterator[Any]:
    """The pynvml module between nvmlInit and nvmlShutdown."""
    import pynvml as nvml

    nvml.nvmlInit()
    try:
        yield nvml
    finally:
        with contextlib.suppress(Exception):
            nvml.nvmlShutdown()


def handles(reader: Reader, nvml: Any) -> list[Any]:
    """One a GPU, in NVML's order; None for a GPU that is lost."""
    count = reader.read("gpus", nvml.nvmlDeviceGetCount) or 0
    return [
        reader.read(f"gpus[{index}]", nvml.nvmlDeviceGetHandleByIndex, index)
        for index in range(count)
    ]
