"""Gemma 3n: four streams between layers, keys shared, a table of what each layer adds a token.

Source: vllm/model_executor/models/gemma3n.py, 0.32. Coefficients that mix the streams are whole on
every rank, what projects them is divided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.config import LAYERS, Config
from rackwright.models.decoder import KV, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Sharding, Tensor


class Kind(NamedTuple):
    """What sets one layer apart; a ``shared`` one reads the keys of an earlier layer."""

    window: int | None
    shared: bool
    width: int


class Gemma3n(Decoder):
    """Reads the layers of one Gemma 3n."""

    def __init__(self, config: Config, family: Family) -> None:
        """An MLP's width may be a list, one for each layer."""
        listed = config.values.get("intermediate_size")
        if isinstance(listed, list) and listed:
            config.values = {**config.values, "intermediate_size": listed[0]}
        super().__init__(config, family)
        self.streams = config.count("altup_num_inputs", default=4, most=64)
        self.each = config.count("hidden_size_per_layer_input", default=256)
        self.all_widths = self._widths_of(listed)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        shared = self.config.layer("num_kv_shared_layers")
        kinds = [
            Kind(window, layer >= self.count - shared, width)
            for layer, (window, width) in enumerate(
                zip(self._windows(), self.all_widths, strict=True)
            )
        ]
        made = {kind: self._made(kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def beside(self) -> tuple[Tensor, ...]:
        """The table of what each token adds to every layer; what makes streams, and one of them."""
        rows, width = self.config.count("vocab_size_per_layer_input"), self.each * self.count
        hidden, more = self.hidden, 2 * (self.streams - 1)
        return (
            Tensor("embed_tokens_per_layer", rows, width, Sharding.VOCABULARY),
            Tensor("per_layer_model_projection", width, hidden, RANKS, quantizable=True),
            Tensor("per_layer_projection_norm", self.each),
            Tensor("altup_projections", hidden, hidden, RANKS, copies=more, quantizable=True),
        )

    def widths(self) -> dict[str, int]:
        """What ranks must divide: each MLP, and the learned residual."""
        return {**super().widths(), "laurel rank": self.config.count("laurel_rank", default=64)}

    def _widths_of(self, listed: object) -> list[int]:
        if not isinstance(listed, list):
            return [self.dense_width] * self.count
        if len(listed) == self.count and all(type(w) is int and 0 < w <= 10**9 for w in listed):
            return listed
        rule = f"must be a width, or one for each of {self.count} layers"
        self.config.fault("intermediate_size", rule, by=LAYERS)
        return [1] * self.count

    def _made(self, kind: Kind) -> Layer:
        tensors = (
            *self._attends(kind.shared),
            *self._mlp("mlp", kind.width),
            *self._mixes(),
            Tensor("per_layer_input_gate", self.each, self.hidden, quantizable=True),
            Tensor("per_layer_projection", self.hidden, self.each, quantizable=True),
            Tensor("norms", 5 * self.hidden),
        )
        queries = self.heads * self.head_dim
        kept = KvCache(self.kv_heads, 0 if kind.shared else 2 * self.head_dim, window=kind.window)
        return Layer(tensors, kept, kind.width, queries, queries)

    def _attends(self, shared: bool) -> Iterator[Tensor]:
        """Every layer has queries; of those that share keys nothing else is loaded."""
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        yield Tensor("self_attn.q_proj", queries, self.hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.o_proj", self.hidden, queries, RANKS, quantizable=True)
        yield Tensor("self_attn.q_norm", self.head_dim)
        if shared:
            return
        yield Tensor("self_attn.k_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.k_norm", self.head_dim)

    def _mixes(self) -> Iterator[Tensor]:
        """The streams' own figures (AltUp), and the learned residual (Laurel)."""
        streams, hidden = self.streams, self.hidden
        rank = self.config.count("laurel_rank", default=64)
        yield Tensor("altup.coefs", streams * streams * (1 + streams))
        yield Tensor("altup.modality_router", streams, hidden)
        yield Tensor("altup.router_norm", hidden)
        yield Tensor("altup.correct_output_scale", hidden, dtype="float32")
        yield Tensor("laurel.linear_left", rank, hidden, RANKS, quantizable=True)
        yield Tensor("laurel.linear_right", hidden, rank, RANKS, quantizable=True)
        yield Tensor("laurel.post_laurel_norm", hidden)
