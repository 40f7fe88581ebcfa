"""Param2: a mixture of experts, of whose shared ones the file may name the width of all.

Source: vllm/model_executor/models/param2moe.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, Tensor

USUAL = {"num_shared_experts": 1, "first_k_dense_replace": 1}
"""What the engine takes where the file does not say."""


class Param2(Decoder):
    """Reads the layers of one Param2. Its router is in float32; ranks share no KV head."""

    def __init__(self, config: Config, family: Family) -> None:
        """Keys that are not there count as the engine has them."""
        config.values = {**USUAL, **config.values}
        super().__init__(config, family)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: KV heads too, which are never held twice."""
        return {**super().widths(), "KV heads": self.kv_heads}

    def _biases(self) -> tuple[bool, bool]:
        return self.config.flag("use_qkv_bias"), self.config.flag("use_bias")

    def _shared_width(self) -> int:
        count = super()._shared_width()
        return (
            (self.config.optional("moe_shared_expert_intermediate_size") or count) if count else 0
        )

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        biased = self.config.flag("moe_router_enable_expert_bias", True)
        for tensor in super()._routed(experts):
            if tensor.name == "mlp.gate":
                yield replace(tensor, dtype="float32")
            elif biased or not tensor.name.endswith("e_score_correction_bias"):
                yield tensor
