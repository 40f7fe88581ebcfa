"""MiMo-V2: keys wider than values, and layers with a window that have heads of their own.

Source: vllm/model_executor/models/mimo_v2.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import LAYERS
from rackwright.models.decoder import KV, RANKS, Decoder
from rackwright.models.shape import KvCache, Layer, Tensor


class MiMoV2(Decoder):
    """Reads the layers of one MiMo-V2."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        kinds = list(zip(self._windows(), self._sparse(), strict=True))
        made = {kind: self._made(*kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def _sparse(self) -> list[bool]:
        return self._marked("moe_layer_freq")

    def _windows(self) -> list[int | None]:
        window = self.config.optional("sliding_window")
        return [window if near else None for near in self._marked("hybrid_layer_pattern")]

    def _marked(self, key: str) -> list[bool]:
        """A list of 0 and 1, one for each layer."""
        marks = self.config.values.get(key)
        if isinstance(marks, list) and len(marks) == self.count and _are_bits(marks):
            return [mark == 1 for mark in marks]
        self.config.fault(key, f"must have 0 or 1 for each of {self.count} layers", by=LAYERS)
        return [False] * self.count

    def _sizes(self, near: bool) -> tuple[int, int, int, int]:
        """Heads, those with keys, width of a key and of a value."""
        own, count = "swa_" if near else "", self.config.count
        heads = count(f"{own}num_attention_heads", default=self.heads)
        kv_heads = count(f"{own}num_key_value_heads", default=self.kv_heads)
        head = count(f"{own}head_dim", default=self.head_dim)
        return heads, kv_heads, head, count(f"{own}v_head_dim", default=head)

    def _made(self, window: int | None, sparse: bool) -> Layer:
        heads, kv_heads, head, value = self._sizes(window is not None)
        tensors = [*self._attends(window is not None), *self._norms()]
        experts = self.experts if sparse else None
        tensors += self._routed(experts) if experts else self._mlp("mlp", self.dense_width)
        kept = KvCache(kv_heads, head + value, window=window)
        width = self._shared_width() if experts else self.dense_width
        return Layer(tuple(tensors), kept, width, heads * head, heads * value, experts=experts)

    def _attends(self, near: bool) -> Iterator[Tensor]:
        heads, kv_heads, head, value = self._sizes(near)
        hidden = self.hidden
        yield Tensor("self_attn.q_proj", heads * head, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.k_proj", kv_heads * head, hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", kv_heads * value, hidden, KV, quantizable=True)
        yield Tensor("self_attn.o_proj", hidden, heads * value, RANKS, quantizable=True)
        if self.config.flag("attention_bias"):
            yield Tensor("self_attn.q_proj.bias", heads * head, sharding=RANKS)
            yield Tensor("self_attn.kv_proj.bias", kv_heads * (head + value), sharding=KV)
        key = "add_swa_attention_sink_bias" if near else "add_full_attention_sink_bias"
        if self.config.flag(key):
            yield Tensor("self_attn.sinks", heads, sharding=RANKS)


def _are_bits(marks: list[object]) -> bool:
    return all(type(mark) is int and mark in (0, 1) for mark in marks)
