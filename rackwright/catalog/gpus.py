"""GPU types."""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from rackwright.catalog.data import read

Interconnect = Literal["none", "pcie", "nvlink", "nvswitch"]
TensorDtype = Literal["bf16", "fp8", "int8", "fp4"]
# What the CUDA runtime keeps for itself: NVML names 150754820096 bytes on an H200 where CUDA
# names 139.8 GiB (tests/data/h200x2/README.md). Other cards hold back 0.4 to 0.9 GiB.
CUDA_RESERVED_BYTES = 644_245_094  # 0.6 GiB
_MIB = 1024**2
INLINE_ECC = (15, 16)
"""What is left of memory that keeps its ECC in itself: 46,068 of 49,140 MiB on an L40S, 23,028 of
24,564 on an A10, 15,360 of 16,384 on a T4."""


class NvLink(BaseModel):
    """NVLink of a GPU type. ``island`` is how many GPUs join without a switch.

    ``bandwidth_gb_per_s`` is of one GPU: all its links, both directions, as datasheets give it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    generation: int
    links: int
    island: int
    bandwidth_gb_per_s: float = Field(gt=0)


class GpuType(BaseModel):
    """One kind of GPU. ``gpus.yaml`` says what each figure means.

    Units: MiB as NVML reports it; GB/s of memory; TFLOPS (TOPS for int8) of the tensor cores,
    dense, summing in 32 bits, for the formats they have; PCIe generation and lanes of the card.
    ``inline_ecc`` says whether the memory is counted with ECC on, where that makes it smaller.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    name: str
    aliases: tuple[str, ...]
    memory_mib: int = Field(gt=0)
    inline_ecc: bool | None = None
    memory_bandwidth_gb_per_s: int = Field(gt=0)
    compute_capability: tuple[int, int]
    dense_tflops: dict[TensorDtype, Annotated[float, Field(gt=0)]]
    pcie_generation: int
    pcie_lanes: int = Field(gt=0)
    pcie_peer_access: bool
    nvlink: NvLink | None = None
    interconnects: frozenset[Interconnect]
    sources: dict[str, str]

    def __hash__(self) -> int:
        """By key: types are compared often, and rarely differ."""
        return hash(self.key)

    @property
    def memory_bytes(self) -> int:
        """What the CUDA runtime lets an engine use: NVML's total less what CUDA keeps."""
        return self.memory_mib * _MIB - CUDA_RESERVED_BYTES

    def with_ecc(self, on: bool | None) -> GpuType:
        """The card with ECC on or off, None as it comes: the memory that it then has."""
        if on is None or self.inline_ecc in (None, on):
            return self
        left, whole = INLINE_ECC if on else reversed(INLINE_ECC)
        changed = {"memory_mib": self.memory_mib * left // whole, "inline_ecc": on}
        return self.model_copy(update=changed)

    def in_slot(self, lanes: int | None, generation: int | None) -> GpuType:
        """The card with the PCIe link that a slot gives it; None where that does not limit."""
        slower = {
            "pcie_lanes": min(lanes or self.pcie_lanes, self.pcie_lanes),
            "pcie_generation": min(generation or self.pcie_generation, self.pcie_generation),
        }
        return self.model_copy(update=slower)


@cache
def gpu_types() -> dict[str, GpuType]:
    """Every GPU type by its key, such as ``h100-sxm-80gb``."""
    return {key: GpuType(key=key, **entry) for key, entry in read("gpus.yaml").items()}


def find_gpu(name: str) -> GpuType | None:
    """The GPU type of that key, alias or NVML product name; None for any other.

    Case, spaces, dashes, underscores and a leading ``NVIDIA`` do not matter.
    """
    return _gpus_by_handle().get(_handle(name))


@cache
def _gpus_by_handle() -> dict[str, GpuType]:
    return {
        _handle(name): gpu
        for gpu in gpu_types().values()
        for name in (gpu.key, gpu.name, *gpu.aliases)
    }


def _handle(name: str) -> str:
    """A name as ``find_gpu`` compares it."""
    return re.sub(r"[\s_-]", "", name.lower()).removeprefix("nvidia")
