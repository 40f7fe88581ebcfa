"""Hunyuan V4: sparse latent attention with gates and sinks, several streams between layers.

Source: vllm/models/hy_v4/nvidia (attention.py, hc.py, moe.py, model.py) and HYV4Config in
transformers_utils/configs/hy_v4.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.decoder import INDEXED, RANKS, Decoder
from rackwright.models.shape import Experts, Tensor

SPARSE = (*INDEXED, "sparse_attention", "sparse")
"""What ``layer_types`` calls layers that see chosen tokens alone."""


class HyV4(Decoder):
    """Reads the layers of one Hunyuan V4."""

    def beside(self) -> tuple[Tensor, ...]:
        """What makes one stream of several before the last norm."""
        if not self._streams():
            return super().beside()
        many = self._streams()
        wide = many * many * self.hidden + many + 1
        return (*super().beside(), Tensor("hc_head", wide, dtype="float32"))

    def _streams(self) -> int:
        ihc = self.config.flag("enable_ihc", True)
        return self.config.count("hc_mult", default=4) if ihc else 0

    def _windows(self) -> list[int | None]:
        return [None] * self.count

    def _sparse(self) -> list[bool]:
        """All but the first where no list says."""
        if self.config.values.get("mlp_layer_types") is None:
            return [layer > 0 for layer in range(self.count)]
        return super()._sparse()

    def _chosen(self) -> list[bool]:
        """Layers that see chosen tokens alone, by themselves or as one before them chose."""
        kinds = self.config.names("layer_types", self.count)
        return [kind in SPARSE for kind in kinds] if kinds else [False] * self.count

    def _indexed(self) -> list[bool]:
        """Those that choose themselves; of the first layer and each fourth after it by default."""
        kinds = self.config.names("indexer_types", self.count)
        listed = [layer == 0 or layer % 4 == 1 for layer in range(self.count)]
        own = [kind == "full" for kind in kinds] if kinds else listed
        return [a and b for a, b in zip(own, self._chosen(), strict=True)]

    def _latent(self) -> Iterator[Tensor]:
        yield from super()._latent()
        config, value = self.config, self._latent_sizes()[2]
        if config.flag("gated_mla", True):
            each = 1 if config.text("gating_type") == "headwise" else value
            name = "self_attn.linear_gate"
            yield Tensor(name, each * self.heads, self.hidden, RANKS, quantizable=True)
        if config.flag("learnable_sink", True):
            yield Tensor("self_attn.sinks", self.heads, sharding=RANKS, dtype="float32")

    def _norms(self) -> Iterator[Tensor]:
        """With what mixes the streams before attention and before the MLP."""
        yield from super()._norms()
        if many := self._streams():
            mixed = 2 * many
            wide = mixed * many * self.hidden + mixed + 2
            yield Tensor("hyper_connections", 2 * wide, dtype="float32")

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        """Its router is in float32."""
        for tensor in super()._routed(experts):
            yield replace(tensor, dtype="float32") if tensor.name == "mlp.gate" else tensor
