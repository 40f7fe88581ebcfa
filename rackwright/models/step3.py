"""Step-3: one key for all heads, queries made in two steps, experts where a list says.

Source: vllm/model_executor/models/step3_text.py, 0.32. Products before the heads are whole on each
rank.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Tensor
from rackwright.models.step3p5 import listed_layers


class Step3Text(Decoder):
    """Reads the layers of one Step-3."""

    def __init__(self, config: Config, family: Family) -> None:
        """It has one KV head, and its longest context by a name of its own."""
        longest = config.values.get("max_position_embedding", config.values.get("max_seq_len"))
        usual = {"max_position_embeddings": longest}
        config.values = {**usual, **config.values, "num_key_value_heads": 1}
        super().__init__(config, family)

    def _sparse(self) -> list[bool]:
        return listed_layers(self.config, self.count) if self.experts else [False] * self.count

    def _attention(self) -> Iterator[Tensor]:
        head, queries = self.head_dim, self.heads * self.head_dim
        shared = self.config.optional("share_q_dim") or head
        name = "self_attn"
        yield Tensor(f"{name}.qkv_proj", shared + 2 * head, self.hidden, quantizable=True)
        yield Tensor(f"{name}.inter_norm", shared)
        yield Tensor(f"{name}.wq", queries, shared, RANKS, quantizable=True)
        yield Tensor(f"{name}.o_proj", self.hidden, queries, RANKS, quantizable=True)
