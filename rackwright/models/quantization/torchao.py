"""torchao: one configuration for all products, or another for some by name.

Source: quantization/torchao.py, 0.32, and the classes of torchao's quantization/quant_api.py that a
``_type`` names. Routed experts and the table of outputs stay as they are: the engine quantizes
products alone (``get_quant_method``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rackwright.models.quantization.integers import INSTEAD
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.lists import Names, pattern
from rackwright.models.quantization.names import Linear, spellings, usual_name
from rackwright.models.quantization.scheme import FP8, FP8_ROWS, INT8_ROWS, Scheme
from rackwright.models.quantization.values import entry_in, names_in, whole

Entry = Mapping[str, Any]
INT4_BYTES = 4.0
"""Beside a group of int4: scale and zero in 16 bits (Int4Tensor, and what is packed of it)."""
BY_NAME = ("ModuleFqnToConfig", "FqnToConfig")
OTHERS = "_default"
TYPES = (
    "Float8DynamicActivationFloat8WeightConfig",
    "Float8WeightOnlyConfig",
    "Int4WeightOnlyConfig",
    "Int8DynamicActivationInt8WeightConfig",
    "Int8WeightOnlyConfig",
)


@dataclass(frozen=True)
class Named:
    """By a product's own name, then by patterns of the whole of it, else the usual scheme.

    ``others``: whether there is a usual one at all. Of merged products the merged name counts.
    """

    named: tuple[tuple[str, Scheme | None], ...]
    others: bool
    kept: Names

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """None for what is skipped, for experts, and for the table of outputs."""
        if linear.head or linear.routed or self.kept.have(linear.module):
            return None
        names = spellings(linear.module)
        for name, scheme in self.named:
            if usual_name(name) == linear.module:
                return scheme
        for name, scheme in self.named:
            if name.startswith("re:") and any(re.fullmatch(name[3:], each) for each in names):
                return scheme
        return usual if self.others else None


def torchao(entry: Entry) -> Quantization:
    """Raises ValueError, TypeError or KeyError for what cannot be read or is not served."""
    kinds = entry["quant_type"]
    if not isinstance(kinds, Mapping) or set(kinds) != {"default"}:
        raise ValueError(
            "must have a quant_type with default alone, as torchao 0.10 and later write it: "
            f"vLLM 0.32 reads no other; {INSTEAD}"
        )
    kept = Names(names_in(entry.get("modules_to_not_convert")), below=True)
    first = entry_in(kinds["default"])
    if first["_type"] not in BY_NAME:
        return Quantization("torchao", _scheme(first), Named((), True, kept))
    data = entry_in(first["_data"])
    listed = entry_in(data.get("module_fqn_to_config") or data["fqn_to_config"])
    schemes = {
        name: None if own is None else _scheme(entry_in(own)) for name, own in listed.items()
    }
    for name in schemes:
        if name.startswith("re:"):
            pattern(name[3:])
    usual = schemes.pop(OTHERS, None)
    some = usual or next(filter(None, schemes.values()), None)
    if some is None:
        raise ValueError(f"names no product that it quantizes; {INSTEAD}")
    return Quantization("torchao", some, Named(tuple(schemes.items()), bool(usual), kept))


def _scheme(own: Entry) -> Scheme:
    kind, data = str(own["_type"]), entry_in(own.get("_data") or {})
    if kind == "Int4WeightOnlyConfig":
        group = whole(data.get("group_size", 128))
        return Scheme(4, group, INT4_BYTES, inputs=group, widths=group)
    if kind == "Int8WeightOnlyConfig":
        return Scheme(8, row_bytes=2)
    if kind == "Int8DynamicActivationInt8WeightConfig":
        return INT8_ROWS
    if kind == "Float8WeightOnlyConfig":
        return replace(FP8_ROWS, compute="bf16")
    if kind != "Float8DynamicActivationFloat8WeightConfig":
        known = ", ".join((*TYPES, *BY_NAME))
        raise ValueError(f"must have a _type of {known}, not {kind!r}; {INSTEAD}")
    return FP8_ROWS if _by_row(data.get("granularity")) else FP8


def _by_row(value: object) -> bool:
    """One for inputs and weights, or one of each; by tensor where none is named."""
    if isinstance(value, list):
        return any(map(_by_row, value))
    return isinstance(value, Mapping) and value.get("_type") == "PerRow"
