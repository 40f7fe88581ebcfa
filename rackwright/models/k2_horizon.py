"""K2 Horizon: gates on what attention sums up, experts also for its values.

Source: vllm/model_executor/models/k2_horizon.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.decoder import KV, RANKS, Decoder
from rackwright.models.shape import Experts, Layer, Tensor


class K2Horizon(Decoder):
    """Reads the layers of one K2 Horizon."""

    def _layer(self, linear: bool, window: int | None, sparse: bool, indexed: bool) -> Layer:
        """Where a layer has experts, its values may have some."""
        made = super()._layer(linear, window, sparse, indexed)
        many = self.config.optional("mova_num_experts") if sparse else None
        if not many:
            return made
        return replace(made, tensors=tuple(self._valued(made.tensors, many)))

    def _valued(self, tensors: tuple[Tensor, ...], many: int) -> Iterator[Tensor]:
        """A product of values for each expert, and a router that is whole on every rank."""
        for tensor in tensors:
            if tensor.name == "self_attn.v_proj":
                yield replace(tensor, name="self_attn.v_experts", copies=many)
            elif tensor.name == "self_attn.kv_proj.bias":
                yield replace(tensor, rows=tensor.rows // 2)
            else:
                yield tensor
        yield Tensor("self_attn.v_router", many, self.hidden, quantizable=True)
        if self.config.flag("moe_gate_bias"):
            yield Tensor("self_attn.v_router.bias", many, dtype="float32")

    def _attention(self) -> Iterator[Tensor]:
        """Norms of queries and keys go with their heads, a gate with the queries."""
        for tensor in super()._attention():
            norms = {"self_attn.q_norm": RANKS, "self_attn.k_norm": KV}
            yield replace(tensor, sharding=norms.get(tensor.name, tensor.sharding))
        if self.config.text("attention_gate_func"):
            wide = self.heads * self.head_dim
            yield Tensor("self_attn.gate_proj", wide, self.hidden, RANKS, quantizable=True)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        yield from super()._routed(experts)
        if self.config.flag("moe_gate_bias"):
            yield Tensor("mlp.gate.e_score_correction_bias", experts.count, dtype="float32")
