"""Molmo: its text model is OLMo or Qwen2, by keys of its own, with words for images beside.

Source: MolmoModel, MolmoAttention, LanguageModelMLP in vllm/model_executor/models/molmo.py, 0.32.
"""

from __future__ import annotations

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Sharding, Tensor

WORDS_OF_IMAGES = 128
"""Rows of its table that its head has not (ADDITIONAL_VOCAB_SIZE there)."""


class Molmo(Decoder):
    """Reads the layers of one Molmo. What it calls the MLP's width is of both halves."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its table may have more rows than words; it says in a key of its own if it is tied."""
        values = dict(config.values)
        if values.get("embedding_size"):
            values["vocab_size"] = values["embedding_size"]
            config.called = {"vocab_size": "embedding_size"}
        values["tie_word_embeddings"] = values.get("weight_tying", False)
        config.called = {**config.called, "tie_word_embeddings": "weight_tying"}
        config.values = values
        super().__init__(config, family)
        self.head_dim = max(1, self.hidden // self.heads)

    def beside(self) -> tuple[Tensor, ...]:
        """Words that an answer never has."""
        name = "embed_tokens.new_embedding"
        rows = Tensor(name, WORDS_OF_IMAGES, self.hidden, Sharding.RANKS)
        return (*super().beside(), rows)

    def _dense_width(self) -> int:
        return max(1, super()._dense_width() // 2)
