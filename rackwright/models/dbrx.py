"""DBRX: a mixture of experts that keeps its figures by names of its own, in three places.

Source: vllm/model_executor/models/dbrx.py, 0.32, and DbrxConfig of transformers 5.24.
"""

from __future__ import annotations

from collections.abc import Mapping

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family

NAMES = {
    "hidden_size": "d_model",
    "num_attention_heads": "n_heads",
    "num_hidden_layers": "n_layers",
    "max_position_embeddings": "max_seq_len",
}
INSIDE = {
    "attn_config": {"num_key_value_heads": "kv_n_heads"},
    "ffn_config": {
        "moe_num_experts": "moe_num_experts",
        "moe_top_k": "moe_top_k",
        "moe_intermediate_size": "ffn_hidden_size",
    },
}
"""Usual keys by those of its files, and by those of the dicts inside."""


class Dbrx(Decoder):
    """Reads the layers of one DBRX. Tables that are tied end its engine."""

    def __init__(self, config: Config, family: Family) -> None:
        """Every figure by its usual name; heads are as wide as they make the hidden state."""
        whole = config.values
        called = {usual: key for usual, key in NAMES.items() if usual not in whole}
        values = {**whole, **{usual: whole.get(key) for usual, key in called.items()}}
        for place, names in INSIDE.items():
            inner = whole.get(place)
            if not isinstance(inner, Mapping):
                config.fault(place, "must be a dict", inner)
                inner = dict.fromkeys(names.values(), 1)
            called |= {usual: f"{place}.{key}" for usual, key in names.items()}
            values |= {usual: inner.get(key) for usual, key in names.items()}
        values["head_dim"] = None
        config.called, config.values = called, values
        if config.flag("tie_word_embeddings"):
            config.fault("tie_word_embeddings", "must be false: vLLM ends at tied ones", True)
        super().__init__(config, family)
