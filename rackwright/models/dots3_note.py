"""Dots 3 Note: sparse latent attention in some layers, latent attention of a window in the others.

Source: vllm/models/dots3_note/nvidia/model.py (Dots3NoteFullAttention, Dots3NoteSlidingAttention,
Dots3NoteMoE) and attention.py, 0.32. Every token is as wide in the cache as one of a window; an
indexer's keys lie beside those, in blocks that are packed as those of DeepSeek V4.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from rackwright.models.config import Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import KvCache, Layer, Page, Tensor

BLOCK = 64
"""Tokens of a block: what FlashAttention's sparse kernels and the indexer's are asked for."""
NEAR = (
    *("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"),
    *("q_lora_rank", "kv_lora_rank", "attention_gate_type"),
)
"""Keys that layers of a window have by themselves, as ``swa_*``."""


class Dots3Note(Decoder):
    """Reads the layers of one Dots 3 Note."""

    def __init__(self, config: Config, family: Family) -> None:
        """Which layers have a window must be said, and how far it reaches, by a key of its own."""
        whole = config.values
        config.values = {**whole, "sliding_window": whole.get("sliding_window_size")}
        config.called = {**config.called, "sliding_window": "sliding_window_size"}
        for key in ("layer_types", "sliding_window"):
            if config.values.get(key) is None:
                config.fault(key, "is required")
        super().__init__(config, family)
        with self._near():
            _, rope, _, rank = self._latent_sizes()
            self.near_heads, self.row = self.heads, rank + rope
        kept = sum(self._latent_sizes()[1::2])
        if kept > self.row:
            rule = f"must make rows at least as wide as those of other layers, {kept}"
            config.fault("swa_kv_lora_rank", rule, self.row, by=("kv_lora_rank", *NEAR))

    def rotary(self) -> Tensor:
        """A table for each kind of layer."""
        with self._near():
            near = super().rotary()
        both = super().rotary().columns + near.columns
        return replace(near, columns=both)

    def widths(self) -> dict[str, int]:
        """What ranks must divide besides; also the heads of layers that see a window."""
        return {**super().widths(), "heads of windows": self.near_heads}

    def _layer(self, linear: bool, window: int | None, sparse: bool, indexed: bool) -> Layer:
        if window is None:
            return super()._layer(linear, window, sparse, indexed)
        with self._near():
            return super()._layer(linear, window, sparse, indexed=False)

    def _latent(self) -> Iterator[Tensor]:
        """With a gate a head, whole on each rank, or a figure; positions have a norm."""
        yield from super()._latent()
        _, rope, value, _ = self._latent_sizes()
        yield Tensor("self_attn.k_rope_only_layernorm", rope)
        name, heads = "self_attn.g_proj", self.heads
        if self.config.text("attention_gate_type", "headwise") == "headwise":
            yield Tensor(name, heads, self.hidden, quantizable=True)
        else:
            yield Tensor(name, heads * value, self.hidden, RANKS, quantizable=True)

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        kept = super()._kv(window, indexed)
        pages = [Page(BLOCK, BLOCK * self.row * 2, window)]
        if indexed:
            pages.append(Page(BLOCK, BLOCK * self._index_bytes()))
        return replace(kept, window=window, pages=tuple(pages))

    @contextmanager
    def _near(self) -> Iterator[None]:
        """Figures are those of a layer with a window for so long."""
        config, heads = self.config, self.heads
        whole, called = config.values, config.called
        config.values = {**whole, **{key: whole.get(f"swa_{key}") for key in NEAR}}
        config.called = {**called, **{key: f"swa_{key}" for key in NEAR}}
        self.heads = config.count("num_attention_heads")
        yield
        config.values, config.called, self.heads = whole, called, heads
