"""LFM2: short convolutions where others attend.

Source: vllm/model_executor/models/lfm2.py and layers/mamba/short_conv.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import LAYERS
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.shape import Experts, KvCache, Layer, Tensor


class Lfm2(Decoder):
    """Reads the layers of one LFM2."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        key, known = "layer_types", ("conv", "full_attention")
        kinds = self.config.names(key, self.count)
        if kinds is None or set(kinds) - set(known):
            rule = f"must be a list of {' or '.join(known)}"
            self.config.fault(key, rule, kinds, by=(key, *LAYERS))
            kinds = known[1:] * self.count
        both = list(zip(kinds, self._sparse(), strict=True))
        made = {one: self._made(one[0] == "conv", one[1]) for one in dict.fromkeys(both)}
        return tuple(made[one] for one in both)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: the MLP, and what is convolved."""
        dense = {"MLP width": self.dense_width} if self.dense_width else {}
        return {**dense, "hidden size": self.hidden}

    def _dense_width(self) -> int:
        """Two thirds of it, times a factor, rounded up, unless the file says it is as it stands."""
        width = self.config.count("block_ff_dim", "intermediate_size")
        if not self.config.flag("block_auto_adjust_ff_dim", True):
            return width
        times = self.config.values.get("block_ffn_dim_multiplier", 1.0)
        if type(times) not in (int, float) or not 0 < times <= width:
            self.config.fault("block_ffn_dim_multiplier", "must be a factor above 0", times)
            times = 1.0
        step = self.config.count("block_multiple_of", default=256)
        return -(-int(times * int(2 * width / 3)) // step) * step

    def _made(self, convolves: bool, sparse: bool) -> Layer:
        experts = self.experts if sparse else None
        tensors = [*self._norms(), *self._passes(experts)]
        width = 0 if experts else self.dense_width
        if not convolves:
            queries = self.heads * self.head_dim
            tensors += self._attention()
            kept = self._kv(None, False)
            return Layer(tuple(tensors), kept, width, queries, queries, experts=experts)
        hidden, seen = self.hidden, self.config.count("conv_L_cache")
        tensors.append(Tensor("conv.in_proj", 3 * hidden, hidden, RANKS, quantizable=True))
        tensors.append(Tensor("conv.conv", hidden, seen, RANKS))
        tensors.append(Tensor("conv.out_proj", hidden, hidden, RANKS, quantizable=True))
        if self.config.flag("conv_bias"):
            tensors.append(Tensor("conv.bias", 5 * hidden, sharding=RANKS))
        kept = KvCache(0, 0, state_bytes=(seen - 1) * hidden * 2)
        return Layer(tuple(tensors), kept, width, 0, 0, experts=experts)

    def _passes(self, experts: Experts | None) -> Iterator[Tensor]:
        yield from self._routed(experts) if experts else self._mlp("feed_forward", self.dense_width)


class Lfm2Moe(Lfm2):
    """Reads the layers of one LFM2 with experts (lfm2_moe.py): its MLPs are as wide as is said."""

    def _dense_width(self) -> int:
        return self.config.count("intermediate_size")

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        biased = self.config.flag("use_expert_bias", True)
        return (t for t in super()._routed(experts) if biased or not t.name.endswith("bias"))
