"""ChatGLM and GLM-4 of its first release, by the keys that their own code has.

Source: vllm/model_executor/models/chatglm.py and transformers_utils/configs/chatglm.py, 0.32.
"""

from __future__ import annotations

from typing import Any

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family

NAMES = {
    "vocab_size": "padded_vocab_size",
    "num_hidden_layers": "num_layers",
    "intermediate_size": "ffn_hidden_size",
    "max_position_embeddings": "seq_length",
}
"""Usual keys by those of its files."""


class ChatGlm(Decoder):
    """Reads the layers of one ChatGLM."""

    def __init__(self, config: Config, family: Family) -> None:
        """Keys by their usual names; heads share keys in groups where it says so."""
        found: dict[str, Any] = {
            usual: config.values.get(own, config.values.get(usual)) for usual, own in NAMES.items()
        }
        if config.flag("multi_query_attention"):
            found["num_key_value_heads"] = config.values.get("multi_query_group_num")
        names = {**NAMES, "num_key_value_heads": "multi_query_group_num"}
        config.called = {usual: own for usual, own in names.items() if own in config.values}
        config.values = {**config.values, **found}
        super().__init__(config, family)
        self.head_dim = max(1, self.hidden // self.heads)

    def _biases(self) -> tuple[bool, bool]:
        every = self.config.flag("add_bias_linear")
        return every or self.config.flag("add_qkv_bias"), every
