"""openPangu: dense ones with biases, and mixtures of experts as DeepSeek V3 made them.

Source: OpenPanguDecoderLayer and OpenPanguMoE in vllm/model_executor/models/openpangu.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, Tensor
from rackwright.models.unknown import BY_HAND

SINKS = "param_sink_number"


class Pangu(Decoder):
    """Reads the layers of one openPangu. Norms also stand behind where they are ``sandwich``."""

    def __init__(self, config: Config, family: Family) -> None:
        """Tokens that are learned and stand before all others are not counted."""
        if config.values.get(SINKS):
            rule = f"must be 0: such tokens are not judged; {BY_HAND}"
            config.fault(SINKS, rule, config.values[SINKS])
        super().__init__(config, family)

    def _biases(self) -> tuple[bool, bool]:
        every = self.config.flag("attention_bias") or self.config.flag("bias")
        return self.config.flag("qkv_bias", every), every

    def _norms(self) -> Iterator[Tensor]:
        count = 4 if self.config.flag("sandwich_norm") else 2
        yield Tensor("norms", self.norm_elements * count)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        biased = self.config.flag("router_enable_expert_bias")
        for tensor in super()._routed(experts):
            if biased or not tensor.name.endswith("e_score_correction_bias"):
                yield tensor
