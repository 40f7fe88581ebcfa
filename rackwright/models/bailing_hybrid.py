"""Ling and Ring 2.5 to 3: linear attention in most layers, latent attention in the others.

Source: vllm/model_executor/models/bailing_moe_linear.py (2.5, 2.6), bailing_moe_v3.py (3.0) and
layers/mamba/linear_attn.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.bailing import Bailing
from rackwright.models.decoder import RANKS
from rackwright.models.quantization import DTYPE_BYTES
from rackwright.models.shape import KvCache, Tensor

USUAL = {
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
}
"""Of latent attention, where the file leaves them out."""


class BailingHybrid(Bailing):
    """Reads the layers of one Ling 2.5: Lightning attention (arXiv:2501.08313) with a gate."""

    def _latent_sizes(self) -> tuple[int, int, int, int]:
        count = self.config.count
        nope, rope, value, rank = (
            count(key, default=USUAL[key])
            for key in ("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank")
        )
        return nope, rope, value, rank

    def widths(self) -> dict[str, int]:
        """What ranks must divide: also the groups of the norm behind linear attention."""
        return {**super().widths(), "groups of the norm": self._groups()}

    def _groups(self) -> int:
        return self.config.count("group_norm_size", default=1)

    def _linear(self) -> list[bool]:
        """All but each ``layer_group_size``-th."""
        size = self.config.count("layer_group_size", default=1)
        return [(layer + 1) % size != 0 for layer in range(self.count)]

    def _windows(self) -> list[int | None]:
        return [None] * self.count

    def _linear_heads(self) -> int:
        return self.heads

    def _inner(self) -> int:
        return self.heads * self._head()

    def _head(self) -> int:
        return self.config.count("head_dim", default=max(1, self.hidden // self.heads))

    def _delta(self) -> Iterator[Tensor]:
        inner, hidden = self._inner(), self.hidden
        biased, output = self._biases()
        name = "self_attn.query_key_value"
        yield Tensor(name, 3 * inner, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.g_proj", inner, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.dense", hidden, inner, RANKS, quantizable=True)
        yield Tensor("self_attn.g_norm", inner, sharding=RANKS)
        if biased:
            yield Tensor(f"{name}.bias", 3 * inner, sharding=RANKS)
        if output:
            yield Tensor("self_attn.dense.bias", hidden)
        if self.config.flag("use_qk_norm"):
            yield Tensor("self_attn.layernorms", 2 * self._head())

    def _state(self) -> KvCache:
        """A matrix a head in the model's dtype."""
        return KvCache(0, 0, state_bytes=self._inner() * self._head() * DTYPE_BYTES["bfloat16"])

    def _router(self) -> tuple[bool, bool]:
        """It is in float32 where the file does not say otherwise."""
        full = self.config.text("router_dtype", "fp32") == "fp32"
        return full, super()._router()[1]


class BailingV3(BailingHybrid):
    """Reads the layers of one Ling 3: delta attention (arXiv:2510.26692) without narrow gates."""

    def widths(self) -> dict[str, int]:
        """What ranks must divide: the norm is a head's own."""
        return super(BailingHybrid, self).widths()

    def _linear(self) -> list[bool]:
        """All but each ``layer_group_size``-th, and none of those that make no whole group."""
        size = self.config.count("layer_group_size")
        whole = self.count // size * size
        return [(layer + 1) % size != 0 and layer < whole for layer in range(self.count)]

    def _kernel(self) -> int:
        return self.config.count("short_conv_kernel_size", default=4)

    def _delta(self) -> Iterator[Tensor]:
        inner, hidden = self._inner(), self.hidden
        for part in ("q", "k", "v", "f", "g"):
            yield Tensor(f"self_attn.{part}_proj", inner, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.b_proj", self.heads, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.conv1d", 3 * inner, self._kernel(), RANKS, dtype="float32")
        yield Tensor("self_attn.A_log", self.heads, sharding=RANKS, dtype="float32")
        yield Tensor("self_attn.dt_bias", inner, sharding=RANKS, dtype="float32")
        yield Tensor("self_attn.o_norm", self._head())
        yield Tensor("self_attn.o_proj", hidden, inner, RANKS, quantizable=True)
        if not self.config.flag("no_kda_lora"):
            self.config.fault("no_kda_lora", "must be true: vLLM 0.32 has no other of this kind")

    def _state(self) -> KvCache:
        """A float32 matrix a head, and the tokens that the convolution has yet to see."""
        matrix = self._inner() * self._head() * DTYPE_BYTES["float32"]
        return KvCache(0, 0, state_bytes=matrix + 3 * self._inner() * (self._kernel() - 1) * 2)

    def _latent(self) -> Iterator[Tensor]:
        """With a gate on what attention sums up: none, a figure a head, or one for each."""
        yield from super()._latent()
        value = self.heads * self._latent_sizes()[2]
        wide = {"head_wise": self.heads, "element_wise": value}
        gated = wide.get(self.config.text("gated_attention_proj_granularity_type"), 0)
        if gated:
            yield Tensor("self_attn.g_proj", gated, self.hidden, RANKS, quantizable=True)

    def _router(self) -> tuple[bool, bool]:
        """Both, whatever the file says."""
        return True, True
