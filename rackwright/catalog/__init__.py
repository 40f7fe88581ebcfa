"""GPU types, links and models as data: the YAML files beside this module, each figure sourced."""

from rackwright.catalog.gpus import (
    BF16_FROM,
    CUDA_RESERVED_BYTES,
    UNIFIED_RESERVE_BYTES,
    Capability,
    GpuType,
    Interconnect,
    NvLink,
    TensorDtype,
    alike,
    contradictions,
    find_gpu,
    gpu_types,
)
from rackwright.catalog.link_figures import Link, LinkFigures, Links, link, links, network
from rackwright.catalog.models import model_entries

__all__ = [
    "BF16_FROM",
    "CUDA_RESERVED_BYTES",
    "UNIFIED_RESERVE_BYTES",
    "Capability",
    "GpuType",
    "Interconnect",
    "Link",
    "LinkFigures",
    "Links",
    "NvLink",
    "TensorDtype",
    "alike",
    "contradictions",
    "find_gpu",
    "gpu_types",
    "link",
    "links",
    "model_entries",
    "network",
]
