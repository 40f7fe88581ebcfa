"""AMD's Quark: one way for all products, others by name, and a list of exceptions.

Source: quantization/quark/quark.py, quark_moe.py and utils.py, 0.32. The table of outputs stays as
it is (get_quant_method_target knows products and experts), and so does the cache: what Quark says
of it (``kv_cache_group``) are scales, for whoever asks for FP8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from rackwright.models.quantization.integers import INSTEAD
from rackwright.models.quantization.kind import Quantization
from rackwright.models.quantization.lists import Names, RefusedProduct, SplitProduct
from rackwright.models.quantization.names import Linear, spellings
from rackwright.models.quantization.scheme import (
    FP8,
    FP8_ROWS,
    FP8_STATIC,
    INT8_ROWS,
    MXFP4,
    MXFP4_GROUPS,
    MXFP6,
    MXFP8,
    NVFP4,
    Scheme,
    fp8_blocks,
    in_groups,
)
from rackwright.models.quantization.values import (
    Misread,
    entries,
    entry_in,
    names_in,
    sizes,
    text_in,
    whole,
)

Entry = Mapping[str, Any]
MX_GROUP = 32
FLOATS = {"fp4": MXFP4_GROUPS, "fp6_e2m3": MXFP6, "fp6_e3m2": MXFP6, "fp8_e4m3": MXFP8}
"""The OCP's formats, by what Quark calls their elements."""
W4A8_EXPERTS = Scheme(4, row_bytes=4, tensor_bytes=8, compute="fp8")
"""Int4 by output of what was FP8 by tensor before (_is_fp8_w4a8)."""


class ExpertsAlone(RefusedProduct):
    """A format that the engine has for routed experts and for no other product."""

    def __init__(self, linear: Linear) -> None:
        """``linear`` is the other product."""
        super().__init__(f"quantizes {linear.module} by FP8 and int4, which is served of experts")


@dataclass(frozen=True)
class Layers:
    """The first pattern that matches each of a product's shards, else the usual scheme."""

    layers: tuple[tuple[str, Scheme], ...]
    kept: Names

    def scheme(self, linear: Linear, usual: Scheme) -> Scheme | None:
        """None for one that is excluded, and for the table of outputs."""
        if linear.head or self._excluded(linear):
            return None
        if linear.routed:
            found = self._own(linear.module, usual)
            return MXFP4 if found == MXFP4_GROUPS else found  # theirs are padded
        schemes = {self._own(shard, usual) for shard in linear.shards}
        if len(schemes) > 1:
            raise SplitProduct(linear)
        if W4A8_EXPERTS in schemes:
            raise ExpertsAlone(linear)
        return schemes.pop()

    def _excluded(self, linear: Linear) -> bool:
        """Experts stay where any of them is named (should_ignore_layer, ``check_children``)."""
        if not linear.routed:
            return self.kept.have_linear(linear)
        below = f"{linear.module}."
        return self.kept.have(linear.module) or any(n.startswith(below) for n in self.kept.exact)

    def _own(self, name: str, usual: Scheme) -> Scheme:
        """A name without a star matches what is part of it (get_layer_quant_config_from_name)."""
        names = spellings(name)
        for pattern, scheme in self.layers:
            starred = "*" in pattern
            if any(fnmatchcase(n, pattern) if starred else n in pattern for n in names):
                return scheme
        return usual


def quark(entry: Entry) -> Quantization:
    """Raises ValueError, TypeError or KeyError for what cannot be read or is not served."""
    if entry.get("layer_type_quant_config"):
        raise ValueError(f"has a layer_type_quant_config, which is not supported yet; {INSTEAD}")
    export = entry_in(entry["export"])
    packing, cached = export.get("pack_method"), names_in(export.get("kv_cache_group"))
    layers = []
    for name, own in entries(entry.get("layer_quant_config")).items():
        of_cache = any(fnmatchcase(name, each) for each in (*cached, "*q_proj"))
        layers.append((name, _scheme(own, packing, of_cache)))
    if not isinstance(entry.get("global_quant_config"), Mapping):
        raise ValueError("must have global_quant_config, how products are quantized")
    usual = _scheme(entry_in(entry["global_quant_config"]), packing)
    kept = Names(names_in(entry.get("exclude")))
    return Quantization("quark", usual, Layers(tuple(layers), kept))


def _scheme(own: Entry, packing: object, of_cache: bool = False) -> Scheme:
    """By the weights; of inputs it counts whether there are some, and how they are scaled."""
    if own.get("bias") or (own.get("output_tensors") and not of_cache):
        raise ValueError("quantizes outputs or biases, which vLLM 0.32 does not serve")
    inputs, weights = own.get("input_tensors"), own["weight"]
    if weights is None:
        raise Misread("must be a dict", weights)
    if isinstance(weights, list) and len(weights) > 1:
        return _of_two([text_in(entry_in(each)["dtype"]) for each in weights])
    weights, inputs = _alone(weights), _alone(inputs)
    kind, by = text_in(weights["dtype"]), text_in(weights["qscheme"])
    found = _mx(kind, by, weights)
    if kind in ("int4", "uint4") and not inputs and packing in ("order", "reorder"):
        zeros = weights["symmetric"] is not True
        found = in_groups(4, whole(weights["group_size"]), zeros=zeros)
    elif kind == "int8" and inputs and by in ("per_tensor", "per_channel"):
        found = INT8_ROWS
    elif kind == "fp8_e4m3" and inputs:
        still = FP8 if inputs.get("is_dynamic") else FP8_STATIC
        found = {"per_tensor": still, "per_channel": FP8_ROWS}.get(by, found)
        if by == "per_block" and sizes(weights.get("block_size")) == (128, 128):
            found = fp8_blocks(128, 128, merged=True)
    if found is None:
        beside = "with" if inputs else "without"
        what = f"weights of {kind} {by}, {beside} quantized inputs"
        raise ValueError(f"has {what}, which vLLM 0.32 does not serve; {INSTEAD}")
    return found


def _mx(kind: str, by: str, weights: Entry) -> Scheme | None:
    """A scale of eight bits for 32 elements (ocp_mx_weight_dtype_and_rows)."""
    shared = weights.get("group_size") == MX_GROUP and weights.get("scale_format") == "e8m0"
    return FLOATS.get(kind) if by == "per_group" and shared else None


def _of_two(kinds: list[str]) -> Scheme:
    """Two figures of one weight: NVFP4's with its scale, or what was FP8 before it was int4."""
    known = {("fp4", "fp8_e4m3"): NVFP4, ("fp8_e4m3", "int4"): W4A8_EXPERTS}
    if tuple(kinds) not in known:
        raise ValueError(f"has weights of {' and '.join(kinds)}, which vLLM 0.32 does not serve")
    return known[kinds[0], kinds[1]]


def _alone(value: object) -> Entry:
    """Itself, or the one in a list; empty where it is None. Raises TypeError."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return {} if value is None else entry_in(value)
