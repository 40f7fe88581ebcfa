"""Gemma 4: wide heads where a layer sees everything, keys shared, experts beside the MLP.

Source: vllm/model_executor/models/gemma4.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.decoder import EXPERTS, KV, RANKS, Decoder
from rackwright.models.shape import KvCache, Layer, Sharding, Tensor


class Kind(NamedTuple):
    """What sets one layer apart. ``window`` is None where it sees everything; a ``shared`` layer
    has no keys of its own and reads those of an earlier one.
    """

    window: int | None
    shared: bool


class Gemma4(Decoder):
    """Reads the layers of one Gemma 4."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        first_shared = self.count - self.config.layer("num_kv_shared_layers")
        kinds = [Kind(w, i >= first_shared > 0) for i, w in enumerate(self._windows())]
        made = {kind: self._made(kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def beside(self) -> tuple[Tensor, ...]:
        """The table of what each token adds to every layer, and what projects it."""
        width = (self.config.optional("hidden_size_per_layer_input") or 0) * self.count
        if not width:
            return ()
        rows = self.config.count("vocab_size_per_layer_input")
        return (
            Tensor("embed_tokens_per_layer", rows, width, Sharding.VOCABULARY),
            Tensor("per_layer_model_projection", width, self.hidden, RANKS, quantizable=True),
            Tensor("per_layer_projection_norm", width // self.count),
        )

    def rotary(self) -> Tensor:
        """A table for heads that see a window, one for those that see everything."""
        return Tensor("rotary", self.rope.positions, self.head_dim + self._wide(), stored=False)

    def _wide(self) -> int:
        return self.config.count("global_head_dim", default=self.head_dim)

    def _sizes(self, kind: Kind) -> tuple[int, int]:
        """Width of a head, and how many have keys."""
        if kind.window:
            return self.head_dim, self.kv_heads
        same = self.config.flag("attention_k_eq_v")
        heads = self.config.optional("num_global_key_value_heads") if same else None
        return self._wide(), heads or self.kv_heads

    def _made(self, kind: Kind) -> Layer:
        head, kv_heads = self._sizes(kind)
        width = self.dense_width
        if kind.shared and self.config.flag("use_double_wide_mlp"):
            width *= 2
        tensors = [*self._attends(kind), *self._mlp("mlp", width), Tensor("layer_scalar", 1)]
        tensors.append(Tensor("norms", 4 * self.hidden))
        if self.experts:
            tensors += self._chosen()
        if each := self.config.optional("hidden_size_per_layer_input"):
            tensors.append(Tensor("per_layer_input_gate", each, self.hidden, quantizable=True))
            tensors.append(Tensor("per_layer_projection", self.hidden, each, quantizable=True))
            tensors.append(Tensor("post_per_layer_input_norm", self.hidden))
        kept = KvCache(kv_heads, 0 if kind.shared else 2 * head, window=kind.window)
        return Layer(
            tuple(tensors), kept, width, self.heads * head, self.heads * head, experts=self.experts
        )

    def _attends(self, kind: Kind) -> Iterator[Tensor]:
        """Where keys are values too, the engine holds them twice (its ``hf_to_vllm_mapper``)."""
        head, kv_heads = self._sizes(kind)
        queries, keys = self.heads * head, kv_heads * head
        yield Tensor("self_attn.q_proj", queries, self.hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.o_proj", self.hidden, queries, RANKS, quantizable=True)
        yield Tensor("self_attn.q_norm", head)
        if kind.shared:
            return
        own = bool(kind.window) or not self.config.flag("attention_k_eq_v")
        yield Tensor("self_attn.k_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", keys, self.hidden, KV, quantizable=True, stored=own)
        yield Tensor("self_attn.k_norm", head)

    def _chosen(self) -> Iterator[Tensor]:
        """Experts beside the MLP, with a router and norms of their own."""
        assert self.experts is not None
        count, width, hidden = self.experts.count, self.experts.width, self.hidden
        yield Tensor("router.proj", count, hidden)
        yield Tensor("router.scale", hidden + count)
        yield Tensor("moe_norms", 3 * hidden)
        yield Tensor("experts.gate_proj", width, hidden, EXPERTS, count, quantizable=True)
        yield Tensor("experts.up_proj", width, hidden, EXPERTS, count, quantizable=True)
        yield Tensor("experts.down_proj", hidden, width, EXPERTS, count, quantizable=True)
