"""DeepSeek V4.1: layers that share what a few of them compress, and tables of n-grams.

Source: vllm/models/deepseek_v41 (attention.py, compressor.py, common/engram.py, nvidia/model.py)
and DeepseekV41Config, which lays ``text_config`` and ``vision_config`` flat, 0.32. A key is planned
with its 584 bytes on Hopper; on Blackwell 528, or 288 of what is compressed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.config import Config
from rackwright.models.decoder import INDEX_BLOCK, PACKED_POSITIONS, RANKS
from rackwright.models.deepseek_v4 import BLOCK, SCALES, DeepseekV4, page
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Page, Tensor

NEAR_BLOCK = 32
"""Tokens of a block of the window."""
RING = 8
"""Tokens of the one block of a request that are yet to be compressed."""
RATIOS = (0, 1, 2)
NGRAM_BLOCK = 32
"""Elements of a table's row that share a scale of a byte."""


class Kind(NamedTuple):
    """What sets one layer apart: tokens that are kept as one (0: a window alone), whether it keeps
    and chooses them itself, and which table of n-grams it looks up.
    """

    ratio: int
    keeps: bool
    chooses: bool
    table: int | None


class DeepseekV41(DeepseekV4):
    """Reads the layers of one DeepSeek V4.1."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads also which layers keep and choose for those after them."""
        super().__init__(config, family)
        self.keeping = config.indexes("kv_source_layer_ids")
        self.choosing = config.indexes("index_source_layer_ids")

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        tables = sorted(self.config.indexes("engram_layer_ids"))
        kinds = [
            Kind(
                ratio,
                layer in self.keeping,
                layer in self.choosing,
                tables.index(layer) if layer in tables else None,
            )
            for layer, ratio in enumerate(self._ratios())
        ]
        made = {kind: self._of(kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def beside(self) -> tuple[Tensor, ...]:
        """Nothing: what mixes the streams last is the last layer's."""
        return ()

    def seams(self) -> tuple[int, ...]:
        """Layers that a stage may begin with: none after it looks at what one before it keeps."""
        first = min(self.keeping, default=self.count)
        return tuple(i for i in range(self.count) if i <= first or i in self.keeping)

    def _ratios(self) -> list[int]:
        listed = self.config.values.get("compress_ratios")
        usual = isinstance(listed, list) and len(listed) >= self.count
        if isinstance(listed, list) and usual and all(map(_is_ratio, listed)):
            found: list[int] = listed[: self.count]
            self._check_sources(found)
            return found
        self.config.fault("compress_ratios", f"must have 0, 1 or 2 for each of {self.count} layers")
        return [0] * self.count

    def _check_sources(self, ratios: list[int]) -> None:
        """The first layer that compresses must keep and choose, for nobody did before it."""
        first = next((layer for layer, ratio in enumerate(ratios) if ratio), self.count)
        keys = ("kv_source_layer_ids", "index_source_layer_ids")
        for key, layers in zip(keys, (self.keeping, self.choosing), strict=True):
            if first < self.count and min(layers, default=self.count) > first:
                self.config.fault(key, f"must have layer {first}, the first that compresses")

    def _of(self, kind: Kind) -> Layer:
        tensors = [*self._products(kind), *self._norms()]
        if self.experts:
            tensors += self._routed(self.experts)
            if self.config.layer("vision_n_layers"):
                bias = Tensor("mlp.gate.bias_vl", self.experts.count, dtype="float32")
                tensors.append(bias)
        if kind.table is not None:
            tensors += self._ngrams(kind.table)
        width, attended = self._shared_width(), self.heads * self.head_dim
        return Layer(
            tuple(tensors), self._keep(kind), width, attended, attended, experts=self.experts
        )

    def _products(self, kind: Kind) -> Iterator[Tensor]:
        """As V4 without what compresses; that and the indexer stand in a few layers alone."""
        yield from super()._attends(1)
        count, head = self.config.count, self.head_dim
        if kind.keeps:
            gated = 2 if kind.ratio > 1 else 1
            yield Tensor("self_attn.compressor.wkv_gate", gated * head, self.hidden)
            yield Tensor("self_attn.compressor.norm", head)
        if kind.chooses:
            heads, width = count("index_n_heads"), count("index_head_dim")
            rows, rank = heads * width, count("q_lora_rank")
            yield Tensor("self_attn.indexer.wq_b", rows, rank, quantizable=True)
            yield Tensor("self_attn.indexer.weights_proj", heads, self.hidden)
            if kind.keeps:
                yield Tensor("self_attn.indexer.wk", width, head)
                yield Tensor("self_attn.indexer.k_norm", width)

    def _ngrams(self, table: int) -> Iterator[Tensor]:
        """A table in FP8 that ranks divide, in the host's memory as Qwen3.8's is, and its gate.

        What a step looks up waits on the GPU in a buffer of its own, which is not counted.
        """
        count, streams = self.config.count, self.config.count("hc_mult")
        width, heads = count("engram_head_dim"), count("engram_n_heads")
        looked = (count("engram_max_ngram_size") - 1) * heads * width
        rows = self._table_rows(table)
        yield Tensor("engram.embed", rows, width, RANKS, dtype="fp8", in_host=True)
        scales = -(-width // NGRAM_BLOCK)
        yield Tensor(
            "engram.embed.scale", rows, scales, RANKS, dtype="fp8", in_host=True, stored=False
        )
        yield Tensor("engram.wkv", (streams + 1) * self.hidden, looked, RANKS, quantizable=True)
        yield Tensor("engram.weights", 2 * streams, self.hidden)

    def _table_rows(self, table: int) -> int:
        listed = self.config.values.get("engram_num_embeddings")
        numbers = list(listed) if isinstance(listed, (list, tuple)) else []
        if table < len(numbers) and type(numbers[table]) is int and numbers[table] > 0:
            return int(numbers[table])
        rule = "must have the rows of a table for each of engram_layer_ids"
        self.config.fault("engram_num_embeddings", rule, listed)
        return 1

    def _keep(self, kind: Kind) -> KvCache:
        """A window of keys in every layer; where it keeps for others, what is compressed."""
        packed = self.head_dim + PACKED_POSITIONS + SCALES
        window = self.config.count("sliding_window")
        pages = [page(NEAR_BLOCK, NEAR_BLOCK * packed, window)]
        if kind.keeps and kind.ratio:
            kept = BLOCK // kind.ratio
            pages.append(page(BLOCK, kept * packed))
            if kind.ratio > 1:
                pages.append(Page(RING, RING * 2 * self.head_dim * 4, once=True))
            if kind.chooses:
                width = self.config.count("index_head_dim")
                pages.append(page(BLOCK, kept * (width + width // INDEX_BLOCK * 4)))
        seen = None if kind.keeps and kind.ratio else window
        return KvCache(1, self.head_dim, latent=True, window=seen, pages=tuple(pages))


def _is_ratio(value: object) -> bool:
    return type(value) is int and value in RATIOS
