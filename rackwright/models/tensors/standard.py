"""The standard keys of a ``config.json`` whose architecture nobody knows, by any of their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rackwright.models.config import Config
from rackwright.models.family import Family
from rackwright.models.wrappers import inner_key

_ALSO = {
    "hidden_size": ("n_embd", "d_model", "dim"),
    "num_hidden_layers": ("num_layers", "n_layer", "n_layers"),
    "num_attention_heads": ("n_head", "n_heads", "num_heads"),
    "num_key_value_heads": ("num_kv_heads", "n_kv_heads", "multi_query_group_num"),
    "head_dim": ("attention_head_dim", "kv_channels"),
    "intermediate_size": ("ffn_hidden_size", "n_inner", "ffn_dim", "hidden_dim"),
    "max_position_embeddings": ("n_positions", "max_seq_len", "seq_length", "model_max_length"),
    "vocab_size": ("padded_vocab_size",),
}
"""Other names of the same key, as models of remote code have them."""
_EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")
_WIDTHS = ("moe_intermediate_size", "expert_ffn_hidden_size", "intermediate_size")
_ACTIVE = (
    *("num_experts_per_tok", "moe_topk", "top_k_experts", "moe_k", "num_experts_per_token"),
    *("experts_per_token", "moe_top_k"),
)
_NEAR = ("sliding", "local", "window", "chunk")


def text_config(values: Mapping[str, Any], path: str) -> Config:
    """The keys of the text model, and those beside it that it leaves out; faults say where."""
    key = inner_key(values)
    inner = values.get(key)
    if isinstance(inner, Mapping):
        values = {**{name: values[name] for name in values if name != key}, **inner}
        path = f"{path}.{key}"
    return Config(_named(values), path)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """With standard names beside the others, and kinds of layers that attention has."""
    named = dict(values)
    for key, others in _ALSO.items():
        given = next((values[other] for other in others if values.get(other) is not None), None)
        if named.get(key) is None and given is not None:
            named[key] = given
    kinds = named.get("layer_types")
    if isinstance(kinds, (list, tuple)):
        window = named.get("sliding_window") or named.get("attention_chunk_size")
        named["sliding_window"] = window
        named["layer_types"] = [_kind(str(kind), bool(window)) for kind in kinds]
    return named


def _kind(kind: str, slides: bool) -> str:
    near = slides and any(word in kind for word in _NEAR)
    return "sliding_attention" if near else "full_attention"


def family_of(config: Config) -> Family:
    """Traits that the keys themselves show."""
    values = config.values

    def given(keys: tuple[str, ...]) -> str:
        return next((key for key in keys if values.get(key)), "")

    return Family(
        latent=bool(values.get("kv_lora_rank")),
        experts=given(_EXPERTS),
        expert_width=given(_WIDTHS) or _WIDTHS[0],
        active=given(_ACTIVE) or _ACTIVE[0],
    )
