"""Laguna: more heads where a layer looks back a window only, and a gate on what they see.

Source: vllm/model_executor/models/laguna.py, 0.32; what is left out of ``config.json`` is as
LagunaConfig of transformers 5.24 has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import HEADS, LAYERS, Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Layer, Tensor

BY_LAYER = "num_attention_heads_per_layer"
GATES = ("True", "False", "None", "per-head", "per-element")


class Laguna(Decoder):
    """Reads the layers of one Laguna."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its heads are 128 wide, whatever the hidden size."""
        super().__init__(config, family)
        self.head_dim = config.count("head_dim", default=128)
        self.each = self._heads_by_layer()
        if str(config.values.get("gating", True)) not in GATES:
            rule = "must be true, false, per-head or per-element"
            config.fault("gating", rule, config.values["gating"])

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        usual, found, made = self.heads, [], {}
        for kind in zip(self._windows(), self._sparse(), self.each, strict=True):
            window, sparse, self.heads = kind
            if kind not in made:
                made[kind] = self._layer(linear=False, window=window, sparse=sparse, indexed=False)
            found.append(made[kind])
        self.heads = usual
        return tuple(found)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: also heads where a layer has others."""
        others = sorted(set(self.each) - {self.heads})
        return {**super().widths(), **{f"attention heads {n} of some layers": n for n in others}}

    def rotary(self) -> Tensor:
        """A table for each kind of layer."""
        tables = 2 if len(set(self._windows())) > 1 else 1
        return replace(super().rotary(), copies=tables)

    def _heads_by_layer(self) -> list[int]:
        given = self.config.values.get(BY_LAYER)
        if given is None:
            return [self.heads] * self.count
        whole = isinstance(given, list) and all(type(n) is int and n > 0 for n in given)
        if whole and len(given) == self.count and not any(n % self.kv_heads for n in given):
            return list(given)
        rule = f"must have a multiple of {self.kv_heads} KV heads for each of {self.count} layers"
        self.config.fault(BY_LAYER, rule, by=(*LAYERS, *HEADS, "num_key_value_heads"))
        return [self.heads] * self.count

    def _sparse(self) -> list[bool]:
        if self.config.values.get("mlp_layer_types") is None:
            return [layer > 0 for layer in range(self.count)]
        return super()._sparse()

    def _attention(self) -> Iterator[Tensor]:
        """With the gate, of each head or of each of its channels; ``true`` means heads."""
        yield from super()._attention()
        gating = self.config.values.get("gating", True)
        if gating:
            rows = self.heads * (self.head_dim if gating == "per-element" else 1)
            yield Tensor("self_attn.g_proj", rows, self.hidden, RANKS, quantizable=True)
