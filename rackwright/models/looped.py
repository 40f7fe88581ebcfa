"""Models whose layers a token passes more than once: weights are kept once, keys of every pass.

Sources: vllm/model_executor/models/iquest_loopcoder.py, 0.32. Nanbeige is served by transformers'
modules (vllm/model_executor/models/transformers/base.py), with its own code (configuration_ and
modeling_nanbeige.py of Nanbeige4.2-3B): that tells the engine of as many layers as there are
passes of one, and each of them has keys of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import MOST_LAYERS, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Layer, Tensor
from rackwright.models.unknown import BY_HAND

OFF = (
    *("enable_double_loop_split", "enable_hyper_connection", "enable_depth_attention"),
    *("qk_layernorm", "loop_loss_weights", "ngram_vocab_size_ratio"),
)
"""What Nanbeige's own code can do besides, and no released model does."""


class Looped(Decoder):
    """Reads the layers of one such model: every pass is a layer, the first of each has weights."""

    key, usual = "num_loops", 1
    """What says how many passes, and how many there are where it is left out."""

    def __init__(self, config: Config, family: Family) -> None:
        """How often a token passes all layers, one after another."""
        super().__init__(config, family)
        self.passes = config.count(self.key, default=self.usual, most=MOST_LAYERS)
        if self.passes * self.count > MOST_LAYERS:
            config.fault(
                self.key, f"must make at most {MOST_LAYERS} passes of a layer", self.passes
            )
            self.passes = 1

    def layers(self) -> tuple[Layer, ...]:
        """All layers with their weights, then passes without."""
        own = super().layers()
        again = {layer: self._again(layer) for layer in dict.fromkeys(own)}
        return own + tuple(again[layer] for layer in own) * (self.passes - 1)

    def _again(self, layer: Layer) -> Layer:
        return replace(layer, tensors=(), back=self.count)


class Nanbeige(Looped):
    """Reads the layers of one Nanbeige 4.2. Keys are cut by rows, and none shared."""

    def __init__(self, config: Config, family: Family) -> None:
        """What changes its layers otherwise is refused."""
        for key in OFF:
            if config.values.get(key):
                rule = f"must be left out: such layers are not judged; {BY_HAND}"
                config.fault(key, rule, config.values[key])
        super().__init__(config, family)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: KV heads too, which are never held twice."""
        return {**super().widths(), "KV heads": self.kv_heads}


class LoopCoder(Looped):
    """Reads the layers of one IQuest LoopCoder: later passes look back a window besides.

    What weighs both is a small product of each head, which stands outside its layers.
    """

    key, usual = "loop_num", 2

    def __init__(self, config: Config, family: Family) -> None:
        """Heads are as wide as they make the hidden state; MLPs have no biases."""
        config.values = {**config.values, "head_dim": None, "mlp_bias": False}
        super().__init__(config, family)

    def _again(self, layer: Layer) -> Layer:
        window = self.config.count("loop_window_size", default=64)
        return replace(super()._again(layer), kv=replace(layer.kv, window=window))

    def _attention(self) -> Iterator[Tensor]:
        yield from super()._attention()
        yield Tensor("gate_projections.gate_proj", self.heads, self.head_dim, RANKS)
        yield Tensor("gate_projections.gate_proj.bias", self.heads, sharding=RANKS)
