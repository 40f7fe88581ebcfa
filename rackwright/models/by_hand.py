"""A model whose architecture is not known, by the figures that its owner gives."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rackwright.models.shape import KvCache, Layer, Shape, Sharding, Tensor
from rackwright.schema.fields import Count

GIB = 1024**3
ELEMENT_BYTES = 2


class Figures(BaseModel):
    """What sizing needs, given by hand. Sizes are of the whole model, as it is loaded.

    ``weights_gib`` are all weights; ``replicated_gib`` of them are held by every tensor parallel
    rank. ``kv_bytes_per_token`` is of all layers and KV heads; ``latent_kv`` says that every rank
    holds all of it. ``activation_gib`` is the peak beside weights and KV cache on one GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    weights_gib: float = Field(strict=True, gt=0, le=1_000_000)
    replicated_gib: float = Field(0.0, strict=True, ge=0)
    kv_bytes_per_token: Count
    latent_kv: bool = False
    activation_gib: float = Field(strict=True, gt=0, le=1_000_000)
    num_hidden_layers: int = Field(strict=True, ge=1, le=1000)
    num_attention_heads: Count
    num_key_value_heads: Count
    hidden_size: Count
    vocab_size: Count
    max_position_embeddings: Count

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        if self.weights_gib * GIB < self.replicated_gib * GIB + self.table_bytes:
            raise ValueError("must have weights_gib above replicated_gib and both embedding tables")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError("must have num_attention_heads divisible by num_key_value_heads")
        return self

    @property
    def table_bytes(self) -> int:
        """The embedding table and the output head, both in 16 bits."""
        return 2 * self.vocab_size * self.hidden_size * ELEMENT_BYTES


def shape_by_hand(figures: Figures) -> Shape:
    """A shape that sizes to these figures, the weights spread evenly over the layers."""
    layers, hidden = figures.num_hidden_layers, figures.hidden_size
    replicated = _a_layer(figures.replicated_gib * GIB, layers)
    sharded = _a_layer(
        (figures.weights_gib - figures.replicated_gib) * GIB - figures.table_bytes, layers
    )
    tensors = (
        Tensor("weights", sharded, sharding=Sharding.RANKS),
        Tensor("replicated", replicated),
    )
    heads = 1 if figures.latent_kv else figures.num_key_value_heads
    kept = KvCache(
        heads, _a_layer(figures.kv_bytes_per_token / heads, layers), latent=figures.latent_kv
    )
    return Shape(
        architecture="figures by hand",
        hidden_size=hidden,
        heads=figures.num_attention_heads,
        kv_heads=heads,
        vocab_size=figures.vocab_size,
        layers=(Layer(tensors, kept, mlp_width=0, query_width=0, output_width=hidden),) * layers,
        embedding=Tensor("embed_tokens", figures.vocab_size, hidden, Sharding.VOCABULARY),
        head=Tensor("lm_head", figures.vocab_size, hidden, Sharding.VOCABULARY),
        norm=Tensor("norm", 0),
        rotary=Tensor("rotary", 0, stored=False),
        tied=False,
        max_position_embeddings=figures.max_position_embeddings,
        activation_bytes=round(figures.activation_gib * GIB),
    )


def _a_layer(size_bytes: float, layers: int) -> int:
    """Elements of one layer, rounded up so that nothing is planned too small."""
    return -int(-size_bytes // (layers * ELEMENT_BYTES))
