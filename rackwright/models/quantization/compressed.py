"""compressed-tensors: groups of targets, each with weights of its own.

Source: CompressedTensorsConfig in compressed_tensors/compressed_tensors.py, 0.32, and the defaults
of QuantizationArgs in the package compressed-tensors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.models.quantization.groups import Groups
from rackwright.models.quantization.integers import INSTEAD
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.lists import Names
from rackwright.models.quantization.scheme import (
    FP8,
    FP8_ROWS,
    INT8_ROWS,
    MXFP4_GROUPS,
    MXFP8,
    NVFP4,
    Scheme,
    fp8_blocks,
    in_groups,
)
from rackwright.models.quantization.values import (
    entries,
    entry_in,
    group_of,
    names_in,
    sizes,
    whole,
)

Entry = Mapping[str, Any]
FORMATS = (
    "dense",
    "float-quantized",
    "int-quantized",
    "mixed-precision",
    "mxfp4-pack-quantized",
    "mxfp8-quantized",
    "naive-quantized",
    "nvfp4-pack-quantized",
    "pack-quantized",
)
"""Formats that are read; the sparse ones are no longer served."""
W4A8_WIDTHS = 256
"""Experts of 4 bits whose inputs have 8 (compressed_tensors_moe_w4a8_fp8.py)."""


def compressed_tensors(entry: Entry) -> Quantization:
    """Raises ValueError, TypeError or KeyError for what cannot be read or is not served."""
    groups = []
    for group in entries(entry.get("config_groups")).values():
        targets = names_in(group.get("targets", ["Linear"]))
        if len(targets) == 1 and targets[0].endswith("Attention"):
            continue  # of the KV cache alone
        scheme = _scheme(group, str(group.get("format") or entry.get("format") or ""))
        groups.append((targets, Names(targets), scheme))
    if not groups:
        raise ValueError("must have config_groups")
    if (entry.get("sparsity_config") or {}).get("targets"):
        raise ValueError(
            "has a sparsity_config, which vLLM 0.32 no longer serves: take dense weights"
        )
    ignored = Names(names_in(entry.get("ignore")))
    return Quantization("compressed-tensors", groups[0][2], Groups(tuple(groups), ignored))


def _scheme(group: Entry, packing: str) -> Scheme:
    if packing and packing not in FORMATS:
        raise ValueError(f"must have a format of {', '.join(FORMATS)}, not {packing!r}; {INSTEAD}")
    weights, inputs = entry_in(group["weights"]), group.get("input_activations")
    inputs = None if inputs is None else entry_in(inputs)
    bits, kind = whole(weights["num_bits"], most=16), str(weights.get("type", "int"))
    if weights.get("actorder") in ("group", "dynamic"):
        raise ValueError(
            f"has actorder {weights['actorder']!r}, which vLLM 0.32 no longer serves: take a "
            "checkpoint with static or weight ordering, or without"
        )
    read = {"float": _float, "int": _int}.get(kind)
    if read is None:
        raise ValueError(f"must have weights of type float or int, not {kind!r}")
    return read(bits, weights, inputs)


def _float(bits: int, weights: Entry, inputs: Entry | None) -> Scheme:
    compute = "fp8" if inputs else "bf16"
    size = group_of(weights.get("group_size"))
    if (bits, size) in ((4, 16), (4, 32)):
        return NVFP4 if size == 16 else MXFP4_GROUPS
    if bits != 8:
        raise ValueError(
            f"has floats of {bits} bits in groups of {size}, which vLLM 0.32 does not serve: "
            "4 bits in groups of 16 (NVFP4) or 32 (MXFP4), or 8"
        )
    if size == 32:
        return MXFP8
    if block := weights.get("block_structure"):
        return fp8_blocks(*_block(block), merged=True, compute=compute)
    channel = weights.get("strategy") == "channel"
    return replace(FP8_ROWS if channel else FP8, compute=compute)


def _block(value: object) -> tuple[int, int]:
    """A list of two, or text as older files have it: ``128x128``."""
    if isinstance(value, str):
        parts = value.split("x")
        value = [int(part) for part in parts if part.isdecimal() and len(part) < 7]
    return sizes(value)


def _int(bits: int, weights: Entry, inputs: Entry | None) -> Scheme:
    size = group_of(weights.get("group_size"))
    if not 2 <= bits <= 8:
        raise ValueError(
            f"has whole numbers of {bits} bits, which vLLM 0.32 does not serve: 2 to 8"
        )
    if bits == 8 and inputs and not size:
        return INT8_ROWS
    made = in_groups(bits, size, zeros=not weights.get("symmetric", True))
    eight = bits == 4 and inputs and str(inputs.get("type")) == "float"
    return replace(made, widths=W4A8_WIDTHS, compute="fp8") if eight else made
