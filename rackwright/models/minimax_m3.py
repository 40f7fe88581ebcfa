"""MiniMax M3: attention to blocks that an indexer picks, beside a few layers that see everything.

Source: vllm/models/minimax_m3/nvidia/model.py and common/indexer.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import HEADS, LAYERS, Config
from rackwright.models.decoder import KV, Decoder
from rackwright.models.quantization import DTYPE_BYTES
from rackwright.models.shape import Experts, KvCache, Layer, Tensor


class MiniMaxM3(Decoder):
    """Reads the layers of one MiniMax M3."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        inside = self.config.inside("sparse_attention_config")
        picks = _marked(inside, "sparse_attention_freq", self.count)
        kinds = list(zip(picks, self._sparse(), strict=True))
        made = {kind: self._made(inside, *kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def rotary(self) -> Tensor:
        """Only a part of each head is turned."""
        width = self.config.count("rotary_dim", default=self.head_dim)
        return replace(super().rotary(), columns=width)

    def _sparse(self) -> list[bool]:
        if self.config.values.get("moe_layer_freq") is None:
            return [True] * self.count
        return _marked(self.config, "moe_layer_freq", self.count)

    def _made(self, inside: Config, picks: bool, sparse: bool) -> Layer:
        layer = self._layer(linear=False, window=None, sparse=sparse, indexed=False)
        if not picks:
            return layer
        heads, head = inside.count("sparse_num_index_heads"), inside.count("sparse_index_dim")
        if heads != self.kv_heads:
            rule = f"must be num_key_value_heads {self.kv_heads}: the engine joins their products"
            inside.fault("sparse_num_index_heads", rule, heads, by=("num_key_value_heads", *HEADS))
        kept = KvCache(
            self.kv_heads, 2 * self.head_dim, beside_bytes=head * DTYPE_BYTES["bfloat16"]
        )
        return replace(layer, tensors=(*layer.tensors, *self._picks(heads, head)), kv=kept)

    def _picks(self, heads: int, head: int) -> Iterator[Tensor]:
        """Queries go with the KV heads, the one key is on every rank."""
        yield Tensor("self_attn.index_q_proj", heads * head, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.index_k_proj", head, self.hidden, quantizable=True)
        yield Tensor("self_attn.index_norms", 2 * head)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        """The router is held in float32, its bias is a matter of the config."""
        biased = self.config.flag("use_routing_bias")
        for tensor in super()._routed(experts):
            if tensor.name == "mlp.gate":
                yield replace(tensor, dtype="float32")
            elif biased or tensor.name != "mlp.gate.e_score_correction_bias":
                yield tensor


def _marked(config: Config, key: str, count: int) -> list[bool]:
    """A list of 0 and 1, one for each layer."""
    marks = config.values.get(key)
    if isinstance(marks, list) and len(marks) == count and all(mark in (0, 1) for mark in marks):
        return [mark == 1 for mark in marks]
    config.fault(key, f"must have 0 or 1 for each of {count} layers", by=LAYERS)
    return [False] * count
