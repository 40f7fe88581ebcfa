"""The names a product goes by: in checkpoints, their lists and patterns, and in the engine.

The engine maps a checkpoint's names to its own and merges products of one input (qkv_proj,
gate_up_proj). Here every name is brought to one spelling: ``model.layers.0.self_attn.q_proj``,
``model.layers.0.mlp.experts.0.up_proj``, ``lm_head``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

PREFIXES = (
    "model.",
    "model.language_model.",
    "language_model.model.",
    "language_model.",
    "backbone.",
    "model.decoder.",
    "model.encoder.language_model.",
    "",
)
"""What stands before ``layers.`` and ``lm_head``, the usual first."""
PARTS = {
    "block_sparse_moe": "mlp",
    "feed_forward": "mlp",
    "ffn": "mlp",
    "attn": "self_attn",
    "shared_expert": "shared_experts",
    "w1": "gate_proj",
    "w2": "down_proj",
    "w3": "up_proj",
}
"""Parts of names by which checkpoints and engine mean the same."""
MERGED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "qkv_proj": ("q_proj", "k_proj", "v_proj"),
        "gate_up_proj": ("gate_proj", "up_proj"),
        "fused_qkv_a_proj": ("q_a_proj", "kv_a_proj_with_mqa"),
        "in_proj_qkvz": ("in_proj_qkv", "in_proj_z"),
    }
)
"""Products that the engine makes one of (``packed_modules_mapping`` of its models, 0.32)."""
ROW_PARALLEL = frozenset({"o_proj", "down_proj", "out_proj", "wo_b"})
"""Products whose inputs ranks divide (RowParallelLinear); of all others they divide the outputs."""
_MERGED_OF = {part: name for name, parts in MERGED.items() for part in parts}
_START = re.compile(
    r"^(?:model\.language_model\.|language_model\.model\.|language_model\.|backbone\."
    r"|model\.decoder\.(?=layers\.)|model\.encoder\.language_model\.)"
)
_EXPERTS = re.compile(r"(?<![a-z_])experts\.")
_MIXES = re.compile(r"\.mixer\.(?=(?:q|k|v|o|qkv)_proj\b)")


@dataclass(frozen=True, slots=True)
class Linear:
    """One product: ``module`` as the engine merges it, ``shards`` as the checkpoint has them.

    ``own`` is the shard that is meant. ``routed`` are experts: ``module`` is all of them,
    ``shards`` the first one's. ``head`` is the table of outputs.
    """

    module: str
    shards: tuple[str, ...]
    own: str
    routed: bool = False
    head: bool = False


HEAD = Linear("lm_head", ("lm_head",), "lm_head", head=True)


@lru_cache(maxsize=65536)
def linear_of(layer: int, name: str, gated: bool = True) -> Linear:
    """The product of a tensor's name without its layer: ``self_attn.q_proj``.

    ``gated``: an MLP's ``up_proj`` has a ``gate_proj`` beside it.
    """
    full = usual_name(f"model.layers.{layer}.{_EXPERTS.sub('experts.0.', name)}")
    parent, _, last = full.rpartition(".")
    if parent.endswith(".experts.0"):
        shards = tuple(f"{parent}.{part}" for part in ("gate_proj", "up_proj", "down_proj"))
        shards = shards if gated else shards[1:]
        return Linear(parent.removesuffix(".0"), shards, full, routed=True)
    if last in MERGED:
        return Linear(full, tuple(f"{parent}.{part}" for part in MERGED[last]), full)
    merged = _MERGED_OF.get(last)
    if merged is None or (merged == "gate_up_proj" and not gated):
        return Linear(full, (full,), full)
    return Linear(f"{parent}.{merged}", tuple(f"{parent}.{part}" for part in MERGED[merged]), full)


@lru_cache(maxsize=65536)
def usual_name(name: str) -> str:
    """The one spelling of a name from a list; signs of wildcards stay where they are."""
    name = _START.sub("model.", name)
    if name.startswith("layers."):
        name = f"model.{name}"
    if name == "model.lm_head":
        return "lm_head"
    name = _MIXES.sub(".self_attn.", name)
    return ".".join(PARTS.get(part, part) for part in name.split("."))


@lru_cache(maxsize=65536)
def spellings(name: str) -> tuple[str, ...]:
    """A name as patterns may mean it: with each prefix, and with each word for its parts."""
    bare = name.removeprefix("model.")
    found = [f"{prefix}{bare}" for prefix in PREFIXES]
    if ".mlp." in bare or bare.endswith(".mlp"):
        for word in ("block_sparse_moe", "feed_forward"):
            other = re.sub(r"\.mlp\b", f".{word}", bare)
            found += [f"{prefix}{other}" for prefix in PREFIXES[:3]]
    if ".shared_experts." in bare:
        found += [each.replace(".shared_experts.", ".shared_expert.") for each in found]
    if ".self_attn." in bare or ".mlp." in bare:
        found.append("backbone." + re.sub(r"\.(self_attn|mlp)\.", ".mixer.", bare))
    return tuple(dict.fromkeys(found))
