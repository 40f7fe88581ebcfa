"""Ling and Ring (Bailing): the first layers dense, then experts with a shared one.

Source: vllm/model_executor/models/bailing_moe.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.decoder import Decoder
from rackwright.models.shape import Experts, Tensor


class Bailing(Decoder):
    """Reads the layers of one Bailing."""

    def _biases(self) -> tuple[bool, bool]:
        """``use_qkv_bias`` is of queries, keys and values alone."""
        biased = self.config.flag("use_bias")
        return biased or self.config.flag("use_qkv_bias"), biased

    def _shared_width(self) -> int:
        """A width of its own, or an expert's, for each of the shared ones."""
        if not self.experts:
            return 0
        count = self.config.optional("num_shared_experts") or 0
        own = self.config.optional("moe_shared_expert_intermediate_size")
        return count * (own or self.experts.width)

    def _router(self) -> tuple[bool, bool]:
        """Whether it is in float32, and whether it has a bias."""
        full = self.config.text("router_dtype") == "fp32"
        return full, self.config.flag("moe_router_enable_expert_bias")

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        full, biased = self._router()
        for tensor in super()._routed(experts):
            if tensor.name == "mlp.gate" and full:
                yield replace(tensor, dtype="float32")
            elif biased or not tensor.name.endswith("e_score_correction_bias"):
                yield tensor
