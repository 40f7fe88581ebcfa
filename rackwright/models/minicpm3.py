"""MiniCPM3: latent attention that is unfolded before it is kept, so that heads keep it whole.

Source: vllm/model_executor/models/minicpm3.py, 0.32: its cache holds, for each head, a key and a
value padded to the key's width.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.decoder import Decoder
from rackwright.models.shape import KvCache, Tensor


class MiniCpm3(Decoder):
    """Reads the layers of one MiniCPM3."""

    def rotary(self) -> Tensor:
        """Of the part of a key that turns."""
        return Tensor("rotary", self.rope.positions, self._latent_sizes()[1], stored=False)

    def _latent_sizes(self) -> tuple[int, int, int, int]:
        count = self.config.count
        value = count("v_head_dim", default=max(1, self.hidden // self.heads))
        return count("qk_nope_head_dim"), count("qk_rope_head_dim"), value, count("kv_lora_rank")

    def _attention(self) -> Iterator[Tensor]:
        """As MLA's, without what the engine holds a second time to decode from latents."""
        return (tensor for tensor in self._latent() if tensor.stored)

    def _attention_widths(self) -> tuple[int, int, int]:
        nope, rope, _, _ = self._latent_sizes()
        width = self.heads * (nope + rope)
        return width, width, 0

    def _kv(self, window: int | None, indexed: bool) -> KvCache:
        nope, rope, _, _ = self._latent_sizes()
        return KvCache(self.heads, 2 * (nope + rope))
