"""Nemotron Super 49B, Ultra 253B: a Llama of which a search took attention and MLPs away.

Source: vllm/model_executor/models/nemotron_nas.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rackwright.models.config import HEADS, LAYERS, Config
from rackwright.models.decoder import KV, RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Tensor

STEP = 256
"""Widths are rounded up to a multiple of it (``_find_multiple``)."""


class Nas(Decoder):
    """Reads the layers of one such model, each from its entry in ``block_configs``."""

    def __init__(self, config: Config, family: Family) -> None:
        """KV heads are those of the first layer that has some: the file names none for all."""
        super().__init__(config, family)
        found = [self._kv_heads_of(block) for block in self._blocks()]
        self.kv_heads = next((heads for heads in found if heads), self.heads)

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        sizes = [(self._kv_heads_of(block), self._width_of(block)) for block in self._blocks()]
        made = {size: self._made(*size) for size in dict.fromkeys(sizes)}
        return tuple(made[size] for size in sizes)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: the narrowest MLP, of which all others are multiples of 256."""
        widths = {self._width_of(block) for block in self._blocks()} - {0}
        return {f"MLP width of {width}": width for width in sorted(widths)}

    def _dense_width(self) -> int:
        return 0

    def _blocks(self) -> tuple[Mapping[str, Any], ...]:
        blocks = self.config.values.get("block_configs")
        whole = isinstance(blocks, list) and len(blocks) == self.count
        if not whole or not all(self._is_block(block) for block in blocks or ()):
            rule = f"must have attention and ffn for each of {self.count} layers"
            self.config.fault("block_configs", rule, by=(*LAYERS, *HEADS))
            return ()
        return tuple(blocks or ())

    def _is_block(self, block: object) -> bool:
        if not isinstance(block, Mapping):
            return False
        attention, ffn = block.get("attention"), block.get("ffn")
        if not (isinstance(attention, Mapping) and isinstance(ffn, Mapping)):
            return False
        group: Any = attention.get("n_heads_in_group")
        times: Any = ffn.get("ffn_mult")
        grouped = type(group) is int and group >= 1 and self.heads % group == 0
        wide = type(times) in (int, float) and 0 < times <= STEP
        linear = attention.get("replace_with_linear") or ffn.get("replace_with_linear")
        return (
            bool(attention.get("no_op") or grouped)
            and bool(ffn.get("no_op") or wide)
            and (not linear)
        )

    def _kv_heads_of(self, block: Mapping[str, Any]) -> int:
        attention = block["attention"]
        return 0 if attention.get("no_op") else self.heads // attention["n_heads_in_group"]

    def _width_of(self, block: Mapping[str, Any]) -> int:
        ffn = block["ffn"]
        if ffn.get("no_op"):
            return 0
        return -(-int(2 * ffn["ffn_mult"] * self.hidden / 3) // STEP) * STEP

    def _made(self, kv_heads: int, width: int) -> Layer:
        queries = self.heads * self.head_dim if kv_heads else 0
        tensors = [Tensor("norms", self.hidden * (bool(kv_heads) + bool(width)))]
        if kv_heads:
            tensors += self._attends(kv_heads)
        if width:
            tensors += self._mlp("mlp", width)
        kept = KvCache(kv_heads, 2 * self.head_dim) if kv_heads else KvCache(0, 0)
        return Layer(tuple(tensors), kept, width, queries, queries)

    def _attends(self, kv_heads: int) -> Iterator[Tensor]:
        queries, keys = self.heads * self.head_dim, kv_heads * self.head_dim
        yield Tensor("self_attn.q_proj", queries, self.hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.k_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.v_proj", keys, self.hidden, KV, quantizable=True)
        yield Tensor("self_attn.o_proj", self.hidden, queries, RANKS, quantizable=True)
