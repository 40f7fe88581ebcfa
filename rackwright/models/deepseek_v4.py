"""DeepSeek V4: one latent key for 1, 4 or 128 tokens, several streams between layers.

Source: vllm/models/deepseek_v4 (attention.py, compressor.py, nvidia/model.py) and
DeepseekV4SWACache in vllm/v1/attention/backends/mla/sparse_swa.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.config import LAYERS, Config
from rackwright.models.decoder import INDEX_BLOCK, PACKED_POSITIONS, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Page, Tensor

RATIOS = (0, 1, 4, 128)
INDEXING = 4
"""Of layers that choose among what they compressed; their states overlap by one."""
BLOCK, NEAR_BLOCK = 256, 64
"""Tokens of a block of what is compressed, and of the window."""
STATE_BLOCKS = {4: 4, 128: 8}
"""Tokens of a block of what is yet to be compressed, by ratio (CompressorStateCache)."""
ALIGNED = 576
"""Bytes that pages are rounded up to in ``fp8_ds_mla``."""
SCALES = 8
"""Bytes of a packed key's scales: one of e8m0 for 64 elements, and one for nothing."""


class Kind(NamedTuple):
    """What sets one layer apart. ``ratio``: tokens that are kept as one, 1 for a window alone;
    ``hashed``: experts are chosen by the token's id.
    """

    ratio: int
    hashed: bool


class DeepseekV4(Decoder):
    """Reads the layers of one DeepSeek V4."""

    def __init__(self, config: Config, family: Family) -> None:
        """Reads also the width of its one key."""
        super().__init__(config, family)
        self.head_dim = config.count("head_dim")
        self.groups = config.count("o_groups")

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        hashed = self.config.layer("num_hash_layers")
        kinds = [Kind(ratio, i < hashed) for i, ratio in enumerate(self._ratios())]
        made = {kind: self._made(kind) for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def beside(self) -> tuple[Tensor, ...]:
        """What makes one stream of several before the last norm."""
        streams = self.config.count("hc_mult")
        wide = streams * streams * self.hidden + streams + 1
        return (Tensor("hc_head", wide, dtype="float32"),)

    def rotary(self) -> Tensor:
        """A table in float32 for layers that compress, one for those that do not."""
        width = self.config.count("qk_rope_head_dim")
        tables = len({ratio > 1 for ratio in self._ratios()})
        rows = tables * self.rope.positions
        return Tensor("rotary", rows, width, stored=False, dtype="float32")

    def widths(self) -> dict[str, int]:
        """What ranks must divide: also the groups of heads that the output is made of."""
        return {**super().widths(), "groups of the output": self.groups}

    def _ratios(self) -> list[int]:
        """Tokens to one that is kept, for each layer; those for drafts come after."""
        listed = self.config.values.get("compress_ratios")
        if isinstance(listed, list) and len(listed) >= self.count and all(map(_is_ratio, listed)):
            return [max(1, ratio) for ratio in listed[: self.count]]
        rule = f"must have 0, 4 or 128 for each of {self.count} layers"
        if listed is None and self.config.values.get("compress_rates") is not None:
            rule += ": vLLM 0.32 does not read compress_rates, which transformers 5 saves instead"
        self.config.fault("compress_ratios", rule, by=LAYERS)
        return [1] * self.count

    def _sparse(self) -> list[bool]:
        """All of them, whatever ``mlp_layer_types`` calls them."""
        return [True] * self.count

    def _made(self, kind: Kind) -> Layer:
        tensors = [*self._attends(kind.ratio), *self._norms()]
        experts = self.experts
        if experts:
            tensors += self._routes(kind.hashed)
        width, attended = self._shared_width(), self.heads * self.head_dim
        kept = self._keeps(kind.ratio)
        return Layer(tuple(tensors), kept, width, attended, attended, experts=experts)

    def _attends(self, ratio: int) -> Iterator[Tensor]:
        """The first products are one in the engine, whole on every rank, as is what compresses."""
        hidden, head, count = self.hidden, self.head_dim, self.config.count
        rank, low = count("q_lora_rank"), self.groups * count("o_lora_rank")
        queries = self.heads * head
        yield Tensor("self_attn.wq_a", rank, hidden, quantizable=True)
        yield Tensor("self_attn.wkv", head, hidden, quantizable=True)
        yield Tensor("self_attn.norms", rank + head)
        yield Tensor("self_attn.wq_b", queries, rank, RANKS, quantizable=True)
        yield Tensor("self_attn.wo_a", low, queries // self.groups, RANKS, quantizable=True)
        yield Tensor("self_attn.wo_b", hidden, low, RANKS, quantizable=True)
        yield Tensor("self_attn.attn_sink", self.heads, sharding=RANKS, dtype="float32")
        if ratio > 1:
            yield from self._compresses("self_attn.compressor", ratio, head)
        if ratio == INDEXING:
            heads, width = count("index_n_heads"), count("index_head_dim")
            yield Tensor("self_attn.indexer.wq_b", heads * width, rank, quantizable=True)
            yield Tensor("self_attn.indexer.weights_proj", heads, hidden)
            yield from self._compresses("self_attn.indexer.compressor", ratio, width)

    def _compresses(self, name: str, ratio: int, head: int) -> Iterator[Tensor]:
        wide = _overlap(ratio) * head
        yield Tensor(f"{name}.wkv_gate", 2 * wide, self.hidden)
        yield Tensor(f"{name}.ape", ratio, wide, dtype="float32")
        yield Tensor(f"{name}.norm", head)

    def _norms(self) -> Iterator[Tensor]:
        """With what mixes the streams before attention and before the experts."""
        yield from super()._norms()
        streams = self.config.count("hc_mult")
        mixed = (2 + streams) * streams
        wide = mixed * streams * self.hidden + mixed + 3
        yield Tensor("hyper_connections", 2 * wide, dtype="float32")

    def _routes(self, hashed: bool) -> Iterator[Tensor]:
        """Where experts are chosen by a table, it stands for the router's bias."""
        assert self.experts
        bias = "mlp.gate.e_score_correction_bias"
        for tensor in self._routed(self.experts):
            if tensor.name == bias and hashed:
                rows = self.config.count("vocab_size")
                yield Tensor("mlp.gate.tid2eid", rows, self.experts.active, dtype="float32")
            else:
                yield tensor

    def _keeps(self, ratio: int) -> KvCache:
        """A window of keys in every layer; what is compressed, and what is yet to be."""
        packed = self.head_dim + PACKED_POSITIONS + SCALES
        window = self.config.count("sliding_window")
        pages = [page(NEAR_BLOCK, NEAR_BLOCK * packed, window)]
        if ratio > 1:
            pages.append(page(BLOCK, BLOCK // ratio * packed))
            pages.append(_state(ratio, self.head_dim))
        if ratio == INDEXING:
            width = self.config.count("index_head_dim")
            key = width + width // INDEX_BLOCK * 4
            pages += [page(BLOCK, BLOCK // ratio * key), _state(ratio, width)]
        seen = None if ratio > 1 else window
        return KvCache(1, self.head_dim, latent=True, window=seen, pages=tuple(pages))


def _overlap(ratio: int) -> int:
    return 2 if ratio == INDEXING else 1


def _state(ratio: int, head: int) -> Page:
    """Keys and their weights in float32, of the tokens that go into one that is kept."""
    tokens, width = STATE_BLOCKS[ratio], 2 * _overlap(ratio) * head
    return page(tokens, tokens * width * 4, _overlap(ratio) * ratio)


def page(tokens: int, size: int, window: int | None = None) -> Page:
    """Rounded up to what ``fp8_ds_mla`` is aligned to."""
    return Page(tokens, -(-size // ALIGNED) * ALIGNED, window)


def _is_ratio(value: object) -> bool:
    return type(value) is int and value in RATIOS
