"""Model architectures: from a Hugging Face ``config.json`` to a ``Shape``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rackwright.lazily import exports

if TYPE_CHECKING:
    from rackwright.models.by_hand import Figures, shape_by_hand
    from rackwright.models.families import FAMILIES
    from rackwright.models.quantization import DTYPE_BYTES, NAMED, Quantization, Scheme
    from rackwright.models.reading import is_known, read_shape
    from rackwright.models.shape import Experts, KvCache, Layer, Shape, Sharding, Tensor
    from rackwright.models.vision import Tower
else:
    __getattr__ = exports(
        __name__,
        {
            "Figures": "by_hand",
            "shape_by_hand": "by_hand",
            "FAMILIES": "families",
            "DTYPE_BYTES": "quantization",
            "NAMED": "quantization",
            "Quantization": "quantization",
            "Scheme": "quantization",
            "is_known": "reading",
            "read_shape": "reading",
            "Experts": "shape",
            "KvCache": "shape",
            "Layer": "shape",
            "Shape": "shape",
            "Sharding": "shape",
            "Tensor": "shape",
            "Tower": "vision",
        },
    )

__all__ = [
    "DTYPE_BYTES",
    "FAMILIES",
    "NAMED",
    "Experts",
    "Figures",
    "KvCache",
    "Layer",
    "Quantization",
    "Scheme",
    "Shape",
    "Sharding",
    "Tensor",
    "Tower",
    "is_known",
    "read_shape",
    "shape_by_hand",
]
