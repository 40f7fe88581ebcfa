"""Moondream 3, by the keys of its own code: a ``config`` of ``text`` and ``vision``.

Source: vllm/model_executor/models/moondream3.py and transformers_utils/configs/moondream3.py, 0.32.
Whole experts are dealt to the ranks; a prompt's image is always seen whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.models.config import Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, Sharding, Tensor

USUAL = {
    "hidden_size": ("dim", 2048),
    "intermediate_size": ("ff_dim", 8192),
    "num_hidden_layers": ("n_layers", 24),
    "vocab_size": ("vocab_size", 51200),
    "max_position_embeddings": ("max_context", 4096),
    "num_attention_heads": ("n_heads", 32),
    "num_key_value_heads": ("n_kv_heads", 32),
}
EXPERTS = {
    "first_k_dense_replace": ("start_layer", 4),
    "num_experts": ("n_experts", 64),
    "num_experts_per_tok": ("n_experts_per_tok", 8),
    "moe_intermediate_size": ("expert_inner_dim", 1024),
}
"""Usual keys by those of its files, with what is meant where they are left out."""


def usual_keys(values: Mapping[str, Any]) -> dict[str, Any]:
    """Its text model by the usual keys."""
    whole = values.get("config")
    text = whole.get("text") if isinstance(whole, Mapping) else None
    text = text if isinstance(text, Mapping) else {}
    experts = text.get("moe")
    experts = experts if isinstance(experts, Mapping) else {}
    found = {key: text.get(own, usual) for key, (own, usual) in USUAL.items()}
    found |= {key: experts.get(own, usual) for key, (own, usual) in EXPERTS.items()}
    return {**values, **found}


class Moondream3(Decoder):
    """Reads the layers of one Moondream 3: one norm a layer, and scales of heads by position."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads the usual keys where they stand, else its own."""
        if config.values.get("hidden_size") is None:
            config.values = usual_keys(config.values)
        super().__init__(config, family)

    def widths(self) -> dict[str, int]:
        """Ranks hold whole experts, the same number each."""
        many = {"experts": self.experts.count} if self.experts else {}
        return {**super().widths(), **many}

    def _attention(self) -> Iterator[Tensor]:
        yield from super()._attention()
        rows = 2 * 3 * self.hidden + 1
        yield Tensor("self_attn.tau", self.heads, rows, RANKS)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        """Never quantized, and on the GPU beside them a bias that no file has."""
        count, width, hidden = experts.count, experts.width, self.hidden
        yield Tensor("mlp.gate", count, hidden)
        yield Tensor("mlp.gate.bias", count)
        for name, rows, columns in (("fc1", 2 * width, hidden), ("fc2", hidden, width)):
            yield Tensor(f"mlp.experts.{name}", rows, columns, Sharding.EXPERTS, count)
        name = "mlp.experts.fc1.bias"
        yield Tensor(name, 2 * width, 1, Sharding.EXPERTS, count, stored=False, dtype="float32")
