"""EmbeddingGemma 2: layers of a Gemma 4 that read both ways, and a product behind the last.

Source: vllm/model_executor/models/embedding_gemma2.py, 0.32; EmbeddingGemma2TextConfig of
transformers 5.24 for what a file leaves out. What each token adds to every layer is made of its
words' vector: there is no table of it.
"""

from __future__ import annotations

from dataclasses import replace

from rackwright.models.decoder import RANKS
from rackwright.models.gemma4 import BY_LAYER, Gemma4
from rackwright.models.shape import KvCache, Layer, Tensor


class EmbeddingGemma2(Gemma4):
    """Reads the layers of one EmbeddingGemma 2."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; none keeps anything of a token."""
        layers = super().layers()
        made = {id(one): replace(one, kv=KvCache(one.kv.heads, 0)) for one in layers}
        return tuple(made[id(one)] for one in layers)

    def beside(self) -> tuple[Tensor, ...]:
        """What makes each layer's addition, and the vector of a text."""
        each = self.config.count("hidden_size_per_layer_input")
        width = each * self.count
        length = self.config.count("embedding_dim")
        return (
            Tensor("ple.per_layer_model_projection", width, self.hidden, RANKS, quantizable=True),
            Tensor("ple.per_layer_projection_norm", each),
            Tensor("embedding_projection", length, self.hidden, quantizable=True),
        )

    def _sizes(self) -> list[tuple[int, int]]:
        if self.config.values.get(BY_LAYER) is not None:
            return super()._sizes()
        head = self.config.count("global_head_dim", default=512)
        wide = (head, self.config.count("num_global_key_value_heads", default=1))
        usual = (self.head_dim, self.kv_heads)
        return [usual if window else wide for window in self._windows()]
