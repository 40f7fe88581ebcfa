"""Falcon: one KV head for all, or groups of them; attention and MLP side by side.

Source: vllm/model_executor/models/falcon.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import HEADS, HIDDEN, Config
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.family import Family
from rackwright.models.shape import Tensor


class Falcon(Decoder):
    """Reads the layers of one Falcon. What is left out is as transformers 5.24 has it."""

    def __init__(self, config: Config, family: Family) -> None:
        """Its MLP is four times the hidden size: the engine reads no other width."""
        super().__init__(config, family)
        self.head_dim = max(1, self.hidden // self.heads)
        grouped = config.flag("new_decoder_architecture")
        self.kv_heads = 1 if config.flag("multi_query", True) else self.heads
        if grouped:
            self.kv_heads = config.count("num_kv_heads", default=self.heads)
        if self.heads % self.kv_heads:
            rule = f"must divide num_attention_heads {self.heads}"
            config.fault("num_kv_heads", rule, self.kv_heads, by=HEADS)
        self.biased = config.flag("bias")
        usual = 2 if grouped else 1
        beside = config.count("num_ln_in_parallel_attn", default=usual, most=2)
        self.norms = beside if config.flag("parallel_attn", True) else 2
        if self.hidden % self.heads:
            rule = f"must be a multiple of num_attention_heads {self.heads}"
            config.fault("hidden_size", rule, self.hidden, by=(*HEADS, *HIDDEN))

    def rotary(self) -> Tensor:
        """None where positions are slopes on the scores (ALiBi)."""
        if self.config.flag("alibi"):
            return Tensor("rotary", 0, stored=False)
        return super().rotary()

    def _dense_width(self) -> int:
        width = 4 * self.hidden
        if (given := self.config.optional("ffn_hidden_size") or width) != width:
            rule = f"must be 4 times hidden_size, {width}: the engine reads no other"
            self.config.fault("ffn_hidden_size", rule, given, by=(*HIDDEN, "ffn_hidden_size"))
        return width

    def _biases(self) -> tuple[bool, bool]:
        return self.biased, self.biased

    def _norms(self) -> Iterator[Tensor]:
        yield Tensor("norms", self.norm_elements * self.norms)

    def _mlp(self, name: str, width: int) -> Iterator[Tensor]:
        yield from super()._mlp(name, width)
        if self.biased:
            yield Tensor(f"{name}.dense_h_to_4h.bias", width, sharding=RANKS)
            yield Tensor(f"{name}.dense_4h_to_h.bias", self.hidden)
