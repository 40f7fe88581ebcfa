"""Molmo 2: a text model of its own, with a few words more in its table than in its head.

Source: Molmo2TextModel in vllm/model_executor/models/molmo2.py, 0.32.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Sharding, Tensor


class Molmo2(Decoder):
    """Reads the layers of one Molmo 2. Norms of queries and keys are a head's, or of all heads."""

    def __init__(self, config: Config, family: Family) -> None:
        """transformers saves ``qkv_bias`` and ``use_qk_norm`` otherwise, or not at all."""
        if config.values.get("qkv_bias") is None:
            config.values = {**config.values, "qkv_bias": config.values.get("attention_bias")}
        super().__init__(config, family)

    def beside(self) -> tuple[Tensor, ...]:
        """Words that an answer never has."""
        more = self.config.values.get("additional_vocab_size")
        rows = self.config.optional("additional_vocab_size") if more is not None else 128
        if not rows:
            return super().beside()
        name = "embed_tokens.new_embedding"
        return (*super().beside(), Tensor(name, rows, self.hidden, Sharding.RANKS))

    def _qk_norm(self) -> str:
        if not self.config.flag("use_qk_norm", True):
            return ""
        return "head" if self.config.text("qk_norm_type", "qwen3") == "qwen3" else "all"
