"""OPT: words may be narrower than layers, and the norms and biases may be left out.

Source: OPTDecoder and OPTDecoderLayer in vllm/model_executor/models/opt.py, 0.32; what is left out
is as OPTConfig of transformers 5.19 has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Shape, Tensor


class Opt(Decoder):
    """Reads the layers of one OPT."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads also how wide words are, which is as wide as layers where it is not said."""
        biased = config.flag("enable_bias", True)
        family = replace(family, qkv_bias=biased, output_bias=biased, mlp_bias=biased)
        super().__init__(config, family)
        self.words = config.count("word_embed_proj_dim", default=self.hidden)
        self.weighted = config.flag("layer_norm_elementwise_affine", True)

    def beside(self) -> tuple[Tensor, ...]:
        """With what leads from words to layers and back, whole on every rank."""
        found = list(super().beside())
        if self.words != self.hidden:
            found.append(Tensor("project_in", self.hidden, self.words, quantizable=True))
            found.append(Tensor("project_out", self.words, self.hidden, quantizable=True))
        return tuple(found)

    def hearing(self, shape: Shape) -> Shape:
        """The tables of words by their own width, and the last norm where there is one."""
        before = self.config.flag("do_layer_norm_before", True)
        kept = before and not self.config.flag("_remove_final_layer_norm") and self.weighted
        return replace(
            shape,
            embedding=replace(shape.embedding, columns=self.words),
            head=replace(shape.head, columns=self.words),
            norm=shape.norm if kept else replace(shape.norm, rows=0),
        )

    def _norms(self) -> Iterator[Tensor]:
        if self.weighted:
            yield from super()._norms()
