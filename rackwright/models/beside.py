"""Falcon-H1 and Jamba: Mamba beside attention in each layer, or in most layers instead of it.

Source: vllm/model_executor/models/falcon_h1.py, jamba.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.mamba import Mamba
from rackwright.models.mamba1 import Keys, Mamba1
from rackwright.models.shape import Layer, Tensor


class FalconH1(Mamba):
    """Reads the layers of one Falcon-H1. Each counts as two: it keeps a state, and tokens."""

    def layers(self) -> tuple[Layer, ...]:
        """Of each layer what is Mamba, then the rest."""
        state = Layer(tuple(self._mamba()), self._kept_of_a_request(), 0, 0, 0)
        rest = (*self._attention(), *self._mlp("feed_forward", self.dense_width), *self._norms())
        queries = self.heads * self.head_dim
        other = Layer(rest, self._kv(None, False), self.dense_width, queries, queries)
        return (state, other) * self.count

    def widths(self) -> dict[str, int]:
        """What ranks must divide: heads of Mamba, and the MLP."""
        return {"Mamba heads": self._sizes()[2], "MLP width": self.dense_width}

    def _mamba(self) -> Iterator[Tensor]:
        normed = self.config.flag("mamba_rms_norm")
        return (tensor for tensor in super()._mamba() if normed or tensor.name != "mixer.norm")


class Jamba(Mamba1):
    """Reads the layers of one Jamba: Mamba 1, and attention now and then."""

    mamba_keys = Keys(
        name="mamba",
        state="mamba_d_state",
        kernel="mamba_d_conv",
        step="mamba_dt_rank",
        conv_bias="mamba_conv_bias",
        bias="mamba_proj_bias",
        normed=True,
    )

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        kinds = list(zip(self._each("attn_layer"), self._sparse(), strict=True))
        made = {kind: self._made(*kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def rotary(self) -> Tensor:
        """None: it has no positions."""
        return Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: the MLP, and what Mamba is wide."""
        return {"MLP width": self.dense_width, "Mamba width": self._inner()}

    def _sparse(self) -> list[bool]:
        return self._each("expert_layer")

    def _each(self, what: str) -> list[bool]:
        """Layers that are so far from ``offset`` that ``period`` divides it."""
        period, offset = self.config.count(f"{what}_period"), self.config.layer(f"{what}_offset")
        return [(layer - offset) % period == 0 for layer in range(self.count)]

    def _inner(self) -> int:
        return self.config.count("mamba_expand") * self.hidden

    def _step(self) -> int:
        key = self.mamba_keys.step
        by_itself = self.config.values.get(key) in (None, "auto")
        return -(-self.hidden // 16) if by_itself else self.config.count(key)

    def _made(self, attends: bool, sparse: bool) -> Layer:
        experts = self.experts if sparse else None
        tensors = [*(self._attention() if attends else self._mixes()), *self._norms()]
        tensors += self._routed(experts) if experts else self._mlp("feed_forward", self.dense_width)
        queries = self.heads * self.head_dim if attends else 0
        kept = self._kv(None, False) if attends else self._kept()
        width = 0 if experts else self.dense_width
        return Layer(tuple(tensors), kept, width, queries, queries, experts=experts)
