"""What a quantization makes of a linear layer's bytes, read from ``quantization_config``.

Figures are the formats' own: AWQ and GPTQ keep a 16-bit scale and a packed zero a group (zeros
a second time in 16 bits, for Hopper's kernels: qwen2.5-32b-awq of tests/data/h200x1), block FP8 a
float32 scale a block, MXFP4 an 8-bit scale for each 32 elements (OCP Microscaling Formats v1.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DTYPE_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4, "fp8": 1}


@dataclass(frozen=True)
class Quantization:
    """``bits`` an element and ``scale_bytes`` a group of ``group`` elements (0: no groups).

    ``method`` is vLLM's name of it; ``compute`` the dtype its products run in on hardware that
    has it. ``kept`` are name patterns of linear layers that stay in the model's dtype;
    ``experts_only`` leaves all others there. ``block`` is what each rank's share of a width must
    be a multiple of. ``online``: made while loading, by the engine's flag.
    """

    method: str
    bits: int
    group: int = 0
    scale_bytes: float = 0.0
    compute: str = "bf16"
    kept: tuple[str, ...] = ()
    experts_only: bool = False
    block: int = 1
    online: bool = False

    def covers(self, name: str) -> bool:
        """Whether the linear layer of this full name (``model.layers.0.mlp.up_proj``) is quantized.

        Experts go by the name of the first: ``mlp.experts.0.up_proj``.
        """
        if self.experts_only and ".experts." not in name:
            return False
        return not any(re.match(pattern, name) for pattern in self.kept)

    def bytes_of(self, rows: int, columns: int) -> int:
        """Bytes of a matrix of so many elements, with its scales."""
        elements = rows * columns
        groups = -(-elements // self.group) if self.group else 0
        return elements * self.bits // 8 + round(groups * self.scale_bytes)


FP8 = Quantization("fp8", 8, compute="fp8", online=True)
NAMED = {
    "fp8": FP8,
    "int8": Quantization("compressed-tensors", 8, compute="int8"),
    "awq": Quantization("awq", 4, group=128, scale_bytes=4.5, block=128),
    "gptq": Quantization("gptq", 4, group=128, scale_bytes=2.0, block=128),
    "mxfp4": Quantization("mxfp4", 4, group=32, scale_bytes=1.0, experts_only=True),
}
"""Quantizations by the names an operator gives, in their usual form."""


def read_quantization(config: Mapping[str, Any]) -> Quantization | None:
    """The quantization a checkpoint was released with; None for none.

    ``config`` is the whole ``config.json``. Raises ValueError for a method that is not known.
    """
    entry = config.get("quantization_config")
    if not entry:
        return None
    method = str(entry.get("quant_method", "")).lower()
    reader = _READERS.get(method)
    if reader is None:
        known = ", ".join(sorted(_READERS))
        raise ValueError(f"must be one of {known}, not {method or 'without quant_method'!r}")
    return reader(entry)


def _fp8(entry: Mapping[str, Any]) -> Quantization:
    block = entry.get("weight_block_size")
    rows, columns = (_whole(block[0]), _whole(block[1])) if block else (0, 0)
    kept = _names(entry.get("modules_to_not_convert") or entry.get("ignored_layers"))
    return Quantization(
        "fp8", 8, rows * columns, 4.0 if block else 0.0, "fp8", kept, block=rows or 1
    )


def _integers(entry: Mapping[str, Any]) -> Quantization:
    method = str(entry["quant_method"]).lower()
    bits, group = _whole(entry["bits"], most=8), entry.get("group_size", 128)
    group = 0 if group == -1 else _whole(group)
    zeros = bits / 8 + 2.0 if method == "awq" or not entry.get("sym", True) else 0.0
    kept = _names(entry.get("modules_to_not_convert"))
    return Quantization(method, bits, group, 2.0 + zeros, kept=kept, block=group or 1)


def _mxfp4(entry: Mapping[str, Any]) -> Quantization:
    return Quantization("mxfp4", 4, 32, 1.0, experts_only=True)


def _compressed_tensors(entry: Mapping[str, Any]) -> Quantization:
    groups = entry.get("config_groups") or {}
    if len(groups) != 1:
        raise ValueError("must have one entry in config_groups (several are not judged)")
    (group,) = groups.values()
    weights, inputs = group["weights"], group.get("input_activations")
    bits, kind = _whole(weights["num_bits"], most=16), str(weights.get("type", "int"))
    size = weights.get("group_size") or 0
    size = _whole(size) if size not in (0, -1) else 0
    compute = {("float", 8): "fp8", ("int", 8): "int8"}.get((kind, bits)) if inputs else None
    scale = 2.0 if size else 0.0
    kept = _names(entry.get("ignore"))
    return Quantization("compressed-tensors", bits, size, scale, compute or "bf16", kept)


def _whole(value: object, most: int = 1 << 20) -> int:
    if type(value) is not int or not 1 <= value <= most:
        raise ValueError(f"must have whole numbers from 1 to {most}, not {value!r}")
    return value


def _names(modules: object) -> tuple[str, ...]:
    """Patterns for full names, from a checkpoint's list of modules that stay as they are.

    A module stands for all below it; one that starts with ``re:`` is a pattern already.
    """
    if modules is None:
        return ()
    if not isinstance(modules, list) or not all(isinstance(each, str) for each in modules):
        raise TypeError(modules)
    patterns = dict.fromkeys(map(_pattern, modules))
    try:
        return tuple(re.compile(pattern).pattern for pattern in patterns)
    except re.error as error:
        raise ValueError(f"has a pattern that cannot be read: {error}") from None


def _pattern(module: str) -> str:
    if module.startswith("re:"):
        return module.removeprefix("re:")
    return rf"(.*\.)?{re.escape(module)}(\..*)?$".replace(r"\*", r"\d+")


_READERS = {
    "fp8": _fp8,
    "fbgemm_fp8": _fp8,
    "awq": _integers,
    "gptq": _integers,
    "mxfp4": _mxfp4,
    "compressed-tensors": _compressed_tensors,
}
