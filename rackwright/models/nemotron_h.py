"""Nemotron-H and Nemotron 3: each layer is one thing, Mamba 2, attention, an MLP or experts.

Source: vllm/model_executor/models/nemotron_h.py and layers/mamba/mamba_mixer2.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import gcd
from typing import Any

from rackwright.models.config import LAYERS, Config
from rackwright.models.decoder import EXPERTS, MOST_LAYERS
from rackwright.models.family import Family
from rackwright.models.mamba import Keys, Mamba, older_names
from rackwright.models.shape import Experts, KvCache, Layer, Tensor

LETTERS = {"M": "mamba", "E": "moe", "*": "attention", "-": "mlp"}


class NemotronH(Mamba):
    """Reads the layers of one such model."""

    keys = Keys(
        heads="mamba_num_heads",
        head="mamba_head_dim",
        groups="n_groups",
        state="ssm_state_size",
        kernel="conv_kernel",
        conv_bias="use_conv_bias",
        state_dtype="float32",
    )

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        kinds = self._kinds()
        made = {kind: self._made(kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def rotary(self) -> Tensor:
        """None: it has no positions."""
        return Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: heads of Mamba, and the MLPs that every token passes."""
        found, kinds = {}, self._kinds()
        if "mamba" in kinds:
            found["Mamba heads"] = self.config.count("mamba_num_heads")
        if "mlp" in kinds:
            found["MLP width"] = self.dense_width
        if "moe" in kinds and self._shared():
            found["shared expert width"] = self._shared()
        return found

    def _kinds(self) -> tuple[str, ...]:
        """By name, or by a letter for each layer."""
        known = tuple(LETTERS.values())
        kinds = older_names(self.config.names("layers_block_type", self.count))
        if kinds is None:
            key, pattern = "hybrid_override_pattern", self.config.text("hybrid_override_pattern")
            kinds = tuple(LETTERS.get(letter, letter) for letter in pattern)
            if len(kinds) != self.count:
                rule = f"must have one letter for each of {self.count} layers"
                self.config.fault(key, rule, pattern, by=(*LAYERS, "layers_block_type", key))
                return ("mlp",) * self.count
        if unknown := [kind for kind in kinds if kind not in known]:
            rule = f"must be of {', '.join(known)} ({' '.join(LETTERS)})"
            self.config.fault("layers_block_type", rule, unknown[0])
            return ("mlp",) * self.count
        return kinds

    def _made(self, kind: str) -> Layer:
        experts = None
        kept, width, queries = KvCache(0, 0), 0, 0
        tensors = [Tensor("norm", self.hidden)]
        if kind == "mamba":
            tensors += self._mamba()
            kept = self._kept_of_a_request()
        elif kind == "attention":
            tensors += self._attention()
            kept, queries = KvCache(self.kv_heads, 2 * self.head_dim), self.heads * self.head_dim
        elif kind == "moe":
            experts = self._chosen_of()
            tensors += self._routed_squared(experts)
            width = self._shared()
        else:
            tensors += self._mlp("mixer", self.dense_width)
            width = self.dense_width
        return Layer(tuple(tensors), kept, width, queries, queries, experts=experts)

    def _shared(self) -> int:
        count = self.config.optional("n_shared_experts") or 0
        return count * (self.config.optional("moe_shared_expert_intermediate_size") or 0)

    def _chosen_of(self) -> Experts:
        count = self.config.count("n_routed_experts")
        active = self.config.count("num_experts_per_tok")
        return Experts(count, active, self.config.count("moe_intermediate_size"))

    def _routed_squared(self, experts: Experts) -> Iterator[Tensor]:
        """Two products an expert, in a narrower space where ``moe_latent_size`` names one."""
        latent = self.config.optional("moe_latent_size")
        row, count = latent or self.hidden, experts.count
        yield Tensor("mixer.gate", count, self.hidden, dtype="float32")
        yield Tensor("mixer.gate.e_score_correction_bias", count, dtype="float32")
        if latent:
            yield Tensor("mixer.fc1_latent_proj", latent, self.hidden, quantizable=True)
            yield Tensor("mixer.fc2_latent_proj", self.hidden, latent, quantizable=True)
        for name, rows, columns in (("up", experts.width, row), ("down", row, experts.width)):
            full = f"mixer.experts.{name}_proj"
            yield Tensor(full, rows, columns, EXPERTS, count, quantizable=True)
        if self._shared():
            yield from self._mlp("mixer.shared_experts", self._shared())


class Puzzle(NemotronH):
    """Reads the layers of one Nemotron that Puzzle made: each has keys of its own.

    Those stand in ``block_configs``, and count before the model's. Layers of Mamba are built by the
    model's keys alone, and so is what ranks divide.
    """

    def __init__(self, config: Config, family: Family) -> None:
        """Kinds of layers are named there, and how many there are."""
        blocks = config.values.get("block_configs")
        self.blocks: list[Mapping[str, Any]] = [{}]
        if isinstance(blocks, list) and all(isinstance(one, Mapping) for one in blocks) and blocks:
            self.blocks = blocks[:MOST_LAYERS]
        else:
            config.fault("block_configs", "must be a list of a dict for each layer", blocks)
        kinds = [one.get("block_type") for one in self.blocks]
        counted = {"layers_block_type": kinds, "num_hidden_layers": len(kinds)}
        config.values = {**config.values, **counted}
        super().__init__(config, family)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        made: dict[str, Layer] = {}
        found = []
        for number, (kind, block) in enumerate(zip(self._kinds(), self.blocks, strict=True)):
            name = repr(sorted(block.items(), key=repr))
            if name not in made:
                made[name] = self._of_block(kind, number, block)
            found.append(made[name])
        return tuple(found)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: of shared experts and of MLPs those of every layer."""
        found = super().widths()
        every = [one for one in dict.fromkeys(self.layers()) if one.mlp_width]
        for name, routed in (("MLP width", False), ("shared expert width", True)):
            widths = [one.mlp_width for one in every if bool(one.experts) is routed]
            found.pop(name, None)
            if widths:
                found[name] = gcd(*widths)
        return found

    def _of_block(self, kind: str, number: int, block: Mapping[str, Any]) -> Layer:
        config, whole, called = self.config, self.config.values, self.config.called
        own = {key: value for key, value in block.items() if value is not None}
        if kind != "mamba":
            config.values = {**whole, **own}
            config.called = {**called, **{key: f"block_configs[{number}].{key}" for key in own}}
        if kind == "mlp":
            self.dense_width = config.count("intermediate_size")
        made = self._made(kind)
        if kind == "attention":
            window = config.optional("sliding_window")
            made = replace(made, kv=replace(made.kv, window=window))
        config.values, config.called = whole, called
        return made
