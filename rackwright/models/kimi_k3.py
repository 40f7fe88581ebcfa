"""Kimi K3: Kimi Linear with gates of full rank, latent experts, and residuals that are weighed.

Source: vllm/models/kimi_k3/nvidia/model.py, kda.py and mla.py, 0.32. Which of these a model has its
config says, so Kimi Linear is read here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.decoder import RANKS
from rackwright.models.delta import KimiLinear
from rackwright.models.shape import Experts, Tensor


class KimiK3(KimiLinear):
    """Reads the layers of one Kimi K3 or Kimi Linear."""

    def beside(self) -> tuple[Tensor, ...]:
        """What weighs the blocks of residuals before the last norm."""
        weighed = (Tensor("output_attn_res", 2 * self.hidden),) if self._weighs() else ()
        return (*super().beside(), *weighed)

    def rotary(self) -> Tensor:
        """Its latent attention turns nothing, whatever the width for it is."""
        if self.config.flag("mla_use_nope"):
            return Tensor("rotary", 0, stored=False)
        return super().rotary()

    def _weighs(self) -> bool:
        return self.config.optional("attn_res_block_size") is not None

    def _full_gate(self) -> bool:
        return self.config.inside("linear_attn_config").flag("use_full_rank_gate")

    def _latent(self) -> Iterator[Tensor]:
        """With a gate on what attention sums up, where the config has it."""
        yield from super()._latent()
        if self.config.flag("mla_use_output_gate"):
            width = self.heads * self._latent_sizes()[2]
            yield Tensor("self_attn.g_proj", width, self.hidden, RANKS, quantizable=True)

    def _norms(self) -> Iterator[Tensor]:
        """With a norm and a product to one, before attention and before the MLP."""
        yield from super()._norms()
        if self._weighs():
            yield Tensor("attn_res", 4 * self.hidden)

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        """Experts that are narrower than the model are reached by products whole on every rank."""
        latent = self.config.optional("routed_expert_hidden_size")
        for tensor in super()._routed(experts):
            if latent and tensor.name == "mlp.experts.down_proj":
                yield replace(tensor, rows=latent)
            elif latent and tensor.name.startswith("mlp.experts."):
                yield replace(tensor, columns=latent)
            else:
                yield tensor
        if latent:
            yield Tensor("mlp.routed_expert_down_proj", latent, self.hidden, quantizable=True)
            yield Tensor("mlp.routed_expert_up_proj", self.hidden, latent, quantizable=True)
            if self.config.flag("latent_moe_use_norm"):
                yield Tensor("mlp.routed_expert_norm", latent)
