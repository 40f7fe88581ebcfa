"""NVIDIA's ModelOpt: one algorithm, or another for each layer.

Source: quantization/modelopt.py, 0.32. Its file ``hf_quant_config.json`` has the keys under
``quantization``; inside ``config.json`` they stand alone, the list of exceptions is ``ignore``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.quantization.choices import Every
from rackwright.models.quantization.groups import Listed
from rackwright.models.quantization.integers import INSTEAD
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.names import usual_name
from rackwright.models.quantization.parts import Wildcards
from rackwright.models.quantization.scheme import (
    FP8_ROWS,
    FP8_STATIC,
    MXFP8,
    NVFP4,
    Scheme,
    fp8_blocks,
)
from rackwright.models.quantization.values import Misread, entries, names_in, whole

Entry = Mapping[str, Any]
BLOCK = 128
ALGORITHMS = {
    "FP8": FP8_STATIC,
    "FP8_BLOCK_SCALES": fp8_blocks(BLOCK, BLOCK),
    "FP8_PB_WO": fp8_blocks(BLOCK, BLOCK, merged=True),
    "FP8_PER_CHANNEL_PER_TOKEN": FP8_ROWS,
    "MXFP8": MXFP8,
    "NVFP4": NVFP4,
    "W4A16_NVFP4": NVFP4,
}
MIXED = "MIXED_PRECISION"


def modelopt(entry: Entry) -> Quantization:
    """Raises ValueError, TypeError or KeyError for what cannot be read or is not served."""
    own = entry.get("quantization", entry)
    key = "exclude_modules" if "quantization" in entry else "ignore"
    kept = Wildcards(names_in(own.get(key, own.get("exclude_modules"))))
    algorithm = str(own.get("quant_algo") or "").upper()
    if algorithm == MIXED:
        return _mixed(own, kept)
    usual = _algorithm(own.get("quant_algo"))
    _check_group(own.get("group_size"), usual)
    return Quantization("modelopt", usual, Every(kept, head=True))


def _mixed(own: Entry, kept: Wildcards) -> Quantization:
    layers = []
    for name, values in entries(own.get("quantized_layers")).items():
        scheme = _algorithm(values["quant_algo"])
        _check_group(values.get("group_size"), scheme)
        layers.append((usual_name(name), scheme))
    if not layers:
        raise ValueError("must have quantized_layers, which MIXED_PRECISION is made of")
    usual = next((scheme for _, scheme in layers if scheme is NVFP4), layers[0][1])
    return Quantization("modelopt", usual, Listed(tuple(layers), kept))


def _algorithm(written: object) -> Scheme:
    name = str(written or "").upper()
    if name not in ALGORITHMS:
        known = ", ".join([MIXED, *ALGORITHMS])
        raise Misread(f"must be {known}; {INSTEAD}", written)
    return ALGORITHMS[name]


def _check_group(size: object, scheme: Scheme) -> None:
    """Groups have the format's own size."""
    if size is not None and scheme.group and whole(size) != scheme.group:
        raise ValueError(f"must have group_size {scheme.group}, not {size}")


def kv_cache(entry: Entry) -> str | None:
    """The cache's dtype that it asks for (get_kv_cache_quant_algo_string, utils/torch_utils.py)."""
    own = entry.get("quantization", entry)
    asked = own.get("kv_cache_scheme") or own.get("kv_cache_quant_algo")
    if isinstance(asked, Mapping):
        kind = (asked.get("type"), asked.get("num_bits"))
        if kind == ("float", 4):
            return "nvfp4"
        still = asked.get("dynamic") is False
        return "fp8" if kind == ("float", 8) and still else None
    name = str(asked).lower()
    return name if name in ("fp8", "nvfp4") else None
