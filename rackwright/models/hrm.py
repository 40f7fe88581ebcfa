"""HRM-Text: two stacks of layers that a token passes again and again.

Source: vllm/model_executor/models/hrm_text.py and HrmTextConfig of transformers 5.24. Weights are
kept once, keys of every pass: 128 passes of 32 layers as it is released. Norms have no weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import MOST_LAYERS, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Layer, Tensor


class HrmText(Decoder):
    """Reads the layers of one HRM-Text: every pass is a layer, the first of each has weights."""

    def __init__(self, config: Config, family: Family) -> None:
        """A file names the layers of a stack; transformers saves those of all passes besides."""
        super().__init__(config, family)
        self.kv_heads = self.heads
        self.stack = config.count("num_layers_per_stack", default=self.count, most=MOST_LAYERS)
        high = config.count("H_cycles", default=2, most=MOST_LAYERS)
        low = config.count("L_cycles", default=3, most=MOST_LAYERS)
        self.count = self.stack
        self.passes = high * (low + 1)
        if self.passes * self.stack > MOST_LAYERS:
            config.fault("H_cycles", f"must make at most {MOST_LAYERS} passes of a layer", high)
            self.passes = 2

    def layers(self) -> tuple[Layer, ...]:
        """Both stacks with their weights, then passes without."""
        own = super().layers()
        back = 2 * self.stack
        again = {layer: replace(layer, tensors=(), back=back) for layer in dict.fromkeys(own)}
        passed = tuple(again[layer] for layer in own)
        return own * 2 + passed * (self.passes - 2)

    def beside(self) -> tuple[Tensor, ...]:
        """What the lower stack begins with."""
        return (*super().beside(), Tensor("z_L_init", self.hidden))

    def _attention(self) -> Iterator[Tensor]:
        yield from super()._attention()
        wide = self.heads * self.head_dim
        yield Tensor("self_attn.gate_proj", wide, self.hidden, RANKS, quantizable=True)
        if self._biases()[0]:
            yield Tensor("self_attn.gate_proj.bias", wide, sharding=RANKS)
