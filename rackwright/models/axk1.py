"""A.X K1: DeepSeek V3 with one more norm a layer, behind its MLP or experts.

Source: vllm/model_executor/models/AXK1.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.decoder import Decoder
from rackwright.models.shape import Experts, Tensor


class Axk1(Decoder):
    """Reads the layers of one A.X K1. Its router has a bias where experts are chosen with one."""

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        biased = self.config.text("topk_method", "noaux_tc") == "noaux_tc"
        for tensor in super()._routed(experts):
            if biased or not tensor.name.endswith("e_score_correction_bias"):
                yield tensor
