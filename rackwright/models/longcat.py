"""LongCat Flash: two attentions and two MLPs a layer, beside experts some of which do nothing.

Source: vllm/model_executor/models/longcat_flash.py, 0.32: FlashDecoderLayer, LongcatRouter, and
LongCatFlashModelArchConfigConvertor in transformers_utils/model_arch_config_convertor.py;
NgramEmbedding in longcat_flash_ngram.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Experts, KvCache, Layer, Tensor

LAYERS_KEY = "num_hidden_layers"
NAMES = {
    LAYERS_KEY: "num_layers",
    "intermediate_size": "ffn_hidden_size",
    "moe_intermediate_size": "expert_ffn_hidden_size",
}
"""Usual keys by those of its files; of layers the usual one counts attentions."""


class Longcat(Decoder):
    """Reads the layers of one LongCat Flash. Its router is in float32."""

    def __init__(self, config: Config, family: Family) -> None:
        """Keys by their usual names. Layers are counted by their own key alone."""
        own = {usual: key for usual, key in NAMES.items() if config.values.get(key) is not None}
        own[LAYERS_KEY] = NAMES[LAYERS_KEY]
        config.called = own
        config.values = {**config.values, **{u: config.values.get(key) for u, key in own.items()}}
        super().__init__(config, family)

    def _latent(self) -> Iterator[Tensor]:
        yield from _twice(super()._latent())

    def _routed(self, experts: Experts) -> Iterator[Tensor]:
        """Experts, of whose router some rows stand for doing nothing, and both MLPs."""
        idle = self.config.optional("zero_expert_num") or 0
        rows = experts.count + idle
        yield Tensor("mlp.router.classifier", rows, self.hidden, dtype="float32")
        yield Tensor("mlp.router.e_score_correction_bias", rows, dtype="float32")
        routed = super()._routed(experts)
        yield from (each for each in routed if not each.name.startswith("mlp.gate"))
        yield from _twice(self._mlp("mlps", self.config.count("intermediate_size")))

    def widths(self) -> dict[str, int]:
        """What ranks must divide: the MLPs that stand in every layer too."""
        return {**super().widths(), "MLP width": self.config.count("intermediate_size")}

    def _layer(self, linear: bool, window: int | None, sparse: bool, indexed: bool) -> Layer:
        made = super()._layer(linear, window, sparse, indexed)
        return replace(made, mlp_width=self.config.count("intermediate_size"))

    def _norms(self) -> Iterator[Tensor]:
        yield Tensor("norms", 4 * self.norm_elements)

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        kept = super()._kv(window, indexed)
        return replace(kept, elements=2 * kept.elements)


class LongcatNgram(Longcat):
    """Reads the layers of one LongCat Flash Lite, which also looks up the words before a word.

    All those tables are one to the engine, its rows divided by the ranks; what makes hidden states
    of them is whole on each.
    """

    def beside(self) -> tuple[Tensor, ...]:
        """A table for each split of each n-gram, of two rows more than the one before."""
        ratio = self.config.optional("ngram_vocab_size_ratio")
        if not ratio:
            return super().beside()
        longest, splits = self.config.count("emb_neighbor_num"), self.config.count("emb_split_num")
        tables = max(1, splits * (longest - 1))
        rows = tables * ratio * self.config.count("vocab_size") + tables * tables
        width = self.hidden // tables
        return (
            *super().beside(),
            Tensor("ngram_embeddings.embedders", rows, width, RANKS),
            Tensor("ngram_embeddings.post_projs", self.hidden, width, copies=tables),
        )


def _twice(tensors: Iterator[Tensor]) -> Iterator[Tensor]:
    """Those of the first half of a layer, and the same of the second."""
    for tensor in tensors:
        name = tensor.name.partition(".")
        for half in ("0", "1"):
            yield replace(tensor, name=f"{name[0]}.{half}.{name[2]}")
