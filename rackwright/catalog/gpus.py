"""GPU types: the catalog's, and an inventory's own by the same keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from rackwright.catalog.data import read

Interconnect = Literal["none", "pcie", "nvlink", "nvswitch"]
TensorDtype = Literal["bf16", "fp16", "fp8", "int8", "fp4"]
Capability = tuple[int, int]
"""A CUDA compute capability: (9, 0)."""
BF16_FROM: Capability = (8, 0)
"""The compute capability from which there is arithmetic in bfloat16."""
# What the CUDA runtime keeps for itself: NVML names 150754820096 bytes on an H200 where CUDA
# names 139.8 GiB (tests/data/h200x2/README.md). Other cards hold back 0.4 to 0.9 GiB.
CUDA_RESERVED_BYTES = 644_245_094  # 0.6 GiB
UNIFIED_RESERVE_BYTES = 20 * 1024**3
"""Of memory that CPU and GPU share, for the system, its page cache and the engine's own processes:
of a GB10's 121.69 GiB CUDA had 101 to 102 free on an idle system (MiaAI-Lab/
GLM-5.3-Flash-EXL3-2x-DGX-Sparks issue 47), and beyond that the whole host hangs (vllm-project/vllm
issue 46307)."""
_MIB = 1024**2
INLINE_ECC = (15, 16)
"""What is left of memory that keeps its ECC in itself: 46,068 of 49,140 MiB on an L40S, 23,028 of
24,564 on an A10, 15,360 of 16,384 on a T4."""

Positive = Annotated[float, Field(strict=True, gt=0, le=1_000_000)]
Alias = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([a-z0-9 ._-]*[a-z0-9])?$",
        description="must be lower case letters, digits and . _ - or spaces",
    ),
]
_PAIR = "must be two whole numbers such as [8, 9], from [5, 0] on"


def _pair(value: object) -> object:
    """A capability written as a list; 8.9 would be the number 8.90, and 12.1 stand for 12.10."""
    if isinstance(value, list | tuple) and len(value) == 2 and all(type(n) is int for n in value):
        major, minor = value
        if 5 <= major <= 99 and 0 <= minor <= 9:
            return value
    raise ValueError(_PAIR)


def _whole(value: object) -> object:
    """Where a number is one of several: True would be 1."""
    if type(value) is not int:
        raise ValueError("must be a whole number")
    return value


def _formats(value: object) -> object:
    known = TensorDtype.__args__  # type: ignore[attr-defined]  # what typing.get_args gives
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a dict of formats ({', '.join(known)}) to TFLOPS")
    if unknown := [name for name in value if name not in known]:
        raise ValueError(f"must have only {', '.join(known)} as keys, not {unknown[0]!r}")
    return value


class NvLink(BaseModel):
    """NVLink of a GPU type. ``island`` is how many GPUs join without a switch.

    ``bandwidth_gb_per_s`` is of one GPU: all its links, both directions, as datasheets give it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    generation: int = Field(strict=True, ge=2, le=5)
    links: int = Field(strict=True, ge=1, le=36)
    island: int = Field(strict=True, ge=1, le=16)
    bandwidth_gb_per_s: Positive


class GpuType(BaseModel):
    """One kind of GPU. ``gpus.yaml`` says what each figure means.

    Units: MiB as NVML reports it; GB/s of memory; TFLOPS (TOPS for int8) of the tensor cores,
    dense, summing in 32 bits, for the formats they have; PCIe generation and lanes of the card.
    ``inline_ecc`` says whether the memory is counted with ECC on, where that makes it smaller.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    key: Annotated[
        str,
        Field(
            pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$",
            max_length=63,
            description="must be named with lower case letters, digits and hyphens",
        ),
    ]
    name: Annotated[
        str,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+/()-]*$",
            max_length=95,
            description="must be the name that NVML gives it (`nvidia-smi -L`)",
        ),
    ]
    aliases: tuple[Alias, ...] = ()
    memory_mib: int = Field(strict=True, ge=1024, le=4_194_304)
    inline_ecc: bool | None = Field(None, strict=True)
    unified_memory: bool = Field(False, strict=True)
    memory_bandwidth_gb_per_s: float = Field(strict=True, ge=10, le=100_000)
    compute_capability: Annotated[Capability, BeforeValidator(_pair)]
    max_power_w: int | None = Field(None, strict=True, ge=1)
    dense_tflops: Annotated[dict[TensorDtype, Positive], BeforeValidator(_formats)]
    pcie_generation: Annotated[int, Field(strict=True, ge=3, le=6)]
    pcie_lanes: Annotated[Literal[1, 2, 4, 8, 16], BeforeValidator(_whole)]
    pcie_peer_access: bool = Field(strict=True)
    nvlink: NvLink | None = None
    interconnects: frozenset[Interconnect]
    sources: dict[str, str] = Field(default_factory=dict)

    def __hash__(self) -> int:
        """By key: types are compared often, and rarely differ."""
        return hash(self.key)

    @property
    def memory_bytes(self) -> int:
        """What the CUDA runtime lets an engine use: NVML's total less what CUDA keeps.

        Of unified memory CUDA names all that the system has.
        """
        return self.memory_mib * _MIB - (0 if self.unified_memory else CUDA_RESERVED_BYTES)

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
        if slower == {"pcie_lanes": self.pcie_lanes, "pcie_generation": self.pcie_generation}:
            return self  # most are: a copy for each server is what a large fleet would wait for
        return self.model_copy(update=slower)

    @property
    def most_share(self) -> float:
        """The share of its memory that engines may take unless the operator says otherwise."""
        if not self.unified_memory:
            return 1.0
        return int(100 * (1 - UNIFIED_RESERVE_BYTES / self.memory_bytes)) / 100

    @property
    def half(self) -> TensorDtype:
        """The 16-bit format that it computes in."""
        return "bf16" if "bf16" in self.dense_tflops else "fp16"

    @property
    def capability(self) -> str:
        """The compute capability as people write it: ``8.9``."""
        return "{}.{}".format(*self.compute_capability)

    def is_named(self, name: str) -> bool:
        """Whether it is found by a name; several may be, where NVML calls them alike."""
        return _handle(name) in self.handles

    @property
    def handles(self) -> frozenset[str]:
        """Every name by which it is found, as ``find_gpu`` compares them."""
        return frozenset(map(_handle, (self.key, self.name, *self.aliases)))


def contradictions(gpu: GpuType) -> Iterator[tuple[str, str]]:
    """Key and rule for each figure of a type that another one of it excludes."""
    yield from _of_formats(gpu)
    if "" in gpu.handles:
        yield "name", "must say which GPU it is, not only whose"
    if "none" not in gpu.interconnects:
        yield "interconnects", "must have none, which is one GPU alone"
    linked = gpu.interconnects & {"nvlink", "nvswitch"}
    if linked and not gpu.nvlink:
        yield "nvlink", f"is required beside {', '.join(sorted(linked))} in interconnects"
    if gpu.nvlink and not linked:
        yield "interconnects", "must have nvlink or nvswitch beside nvlink"
    if gpu.nvlink and "nvlink" in linked and gpu.nvlink.island < 2:
        yield "nvlink.island", "must be the GPUs that NVLink joins without a switch, 2 or more"
    if gpu.nvlink:
        most = gpu.nvlink.links * (100 if gpu.nvlink.generation >= 5 else 50)
        if not most / 2 <= gpu.nvlink.bandwidth_gb_per_s <= most:
            rule = f"must be {most / 2:g} to {most}, which {gpu.nvlink.links} links carry"
            yield "nvlink.bandwidth_gb_per_s", rule


def _of_formats(gpu: GpuType) -> Iterator[tuple[str, str]]:
    """The formats are those of the architecture, and each carries twice what twice the bits do."""
    tflops, capability = gpu.dense_tflops, gpu.compute_capability
    half: TensorDtype = "bf16" if capability >= BF16_FROM else "fp16"
    if half not in tflops:
        yield "dense_tflops", f"must have {half}, as compute capability {gpu.capability} has"
    later: tuple[tuple[TensorDtype, Capability], ...] = (
        ("bf16", BF16_FROM),
        ("fp8", (8, 9)),
        ("fp4", (10, 0)),
    )
    for name, since in later:
        if name in tflops and capability < since:
            rule = f"must not have {name}, there is none before compute capability"
            yield "dense_tflops", "{} {}.{}".format(rule, *since)
    if half in tflops and "fp8" in tflops and not 1.9 <= tflops["fp8"] / tflops[half] <= 2.1:
        rule = f"must be twice that of {half}: dense, without sparsity, summing in 32 bits"
        yield "dense_tflops.fp8", rule


@cache
def gpu_types() -> dict[str, GpuType]:
    """Every GPU type of the catalog by its key, such as ``h100-sxm-80gb``."""
    return {key: GpuType(key=key, **entry) for key, entry in read("gpus.yaml").items()}


def find_gpu(
    name: str, memory_bytes: int | None = None, types: Mapping[str, GpuType] | None = None
) -> GpuType | None:
    """The GPU type of that key, alias or NVML product name; None for any other.

    Case, spaces, dashes, underscores and a leading ``NVIDIA`` do not matter. Where several have
    the name (NVML calls an RTX 5060 Ti of 8 and of 16 GB alike), ``memory_bytes`` tells which.
    ``types`` are the catalog's, unless others are given.
    """
    handle = _handle(name)
    if types is None:
        found = _gpus_by_handle().get(handle, ())
    else:
        found = tuple(gpu for gpu in types.values() if handle in gpu.handles)
    if len(found) < 2:
        return found[0] if found else None
    if memory_bytes is None:
        return None
    return min(found, key=lambda gpu: abs(gpu.memory_mib * _MIB - memory_bytes))


def alike(gpu: GpuType, others: Iterable[GpuType]) -> Iterator[tuple[str, str]]:
    """Key and rule for each name of a type that one of ``others`` has.

    NVML's own name may be one of several types, where their memory tells them apart.
    """
    for other in others:
        shared = gpu.handles & other.handles
        apart = not 0.9 < gpu.memory_mib / other.memory_mib < 1.1
        if apart and shared <= {_handle(gpu.name)} & {_handle(other.name)}:
            continue
        if shared:
            key = "name" if _handle(gpu.name) in shared else "aliases"
            yield key, f"is a name of {other.key} already"


@cache
def _gpus_by_handle() -> dict[str, tuple[GpuType, ...]]:
    found: dict[str, tuple[GpuType, ...]] = {}
    for gpu in gpu_types().values():
        for handle in gpu.handles:
            found[handle] = (*found.get(handle, ()), gpu)
    return found


def _handle(name: str) -> str:
    """A name as ``find_gpu`` compares it."""
    return re.sub(r"[\s_-]", "", name.lower()).removeprefix("nvidia")
