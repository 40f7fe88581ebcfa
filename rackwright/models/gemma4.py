"""Gemma 4: wide heads where a layer sees everything, keys shared, experts beside the MLP.

Source: vllm/model_executor/models/gemma4.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.config import LAYERS, Config
from rackwright.models.decoder import EXPERTS, KV, RANKS, Decoder
from rackwright.models.shape import KvCache, Layer, Sharding, Tensor

BY_LAYER = "per_layer_config"


class Kind(NamedTuple):
    """What sets one layer apart. ``window`` is None where it sees everything; a ``shared`` layer
    has no keys of its own and reads those of an earlier one. ``head`` is how wide one is, ``keys``
    how many of them have keys.
    """

    window: int | None
    shared: bool
    head: int
    keys: int


class Gemma4(Decoder):
    """Reads the layers of one Gemma 4."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        first_shared = self.count - self.config.layer("num_kv_shared_layers")
        sizes = zip(self._windows(), self._sizes(), strict=True)
        kinds = [Kind(w, i >= first_shared > 0, *own) for i, (w, own) in enumerate(sizes)]
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
        width = sum({head for head, _ in self._sizes()})
        return Tensor("rotary", self.rope.positions, width, stored=False)

    def _sizes(self) -> list[tuple[int, int]]:
        """Width of a head and how many have keys, of each layer.

        transformers 5 saves them layer by layer, by its number as text; before that layers that
        see everything had keys of their own in the file, with these defaults (Gemma4TextConfig).
        """
        usual = (self.head_dim, self.kv_heads)
        if self.config.values.get(BY_LAYER) is not None:
            return self._listed(usual)
        same = self.config.flag("attention_k_eq_v")
        heads = self.config.optional("num_global_key_value_heads") if same else None
        wide = (self.config.count("global_head_dim", default=512), heads or self.kv_heads)
        return [usual if window else wide for window in self._windows()]

    def _listed(self, usual: tuple[int, int]) -> list[tuple[int, int]]:
        found, given = [usual] * self.count, self.config.inside(BY_LAYER)
        for layer in given.values:
            own = given.inside(layer)
            if not (str(layer).isdecimal() and int(layer) < self.count):
                own.fault("", f"must be the number of one of {self.count} layers", by=LAYERS)
                continue
            found[int(layer)] = _own(own, *usual)
        return found

    def _made(self, kind: Kind) -> Layer:
        head, kv_heads = kind.head, kind.keys
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
        head, kv_heads = kind.head, kind.keys
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


def _own(layer: Config, head: int, keys: int) -> tuple[int, int]:
    """What one layer says of itself, else what all say."""
    return layer.count("head_dim", default=head), layer.count("num_key_value_heads", default=keys)
