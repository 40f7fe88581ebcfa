"""Kimi Linear, K3 and GLM-5.3 Flash: delta attention (arXiv:2510.26692) between latent attention.

Source: vllm/models/kimi_k3/nvidia/kda.py and vllm/models/glm5next/common, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.models.config import LAYERS
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.quantization import DTYPE_BYTES
from rackwright.models.shape import KvCache, Tensor


class KimiLinear(Decoder):
    """Reads the layers of one such model."""

    def widths(self) -> dict[str, int]:
        """What ranks must divide: also the heads of delta attention."""
        own = {"linear attention heads": self._delta_heads()[0]}
        return {**{k: v for k, v in super().widths().items() if k not in own}, **own}

    def _linear_heads(self) -> int:
        return self._delta_heads()[0]

    def _linear(self) -> list[bool]:
        """Which layers have delta attention; they are counted from 1."""
        listed = self.config.inside("linear_attn_config").indexes("kda_layers")
        return [layer + 1 in listed for layer in range(self.count)]

    def _delta_heads(self) -> tuple[int, int, int]:
        """Heads, width of one, tokens the convolution sees."""
        count = self.config.inside("linear_attn_config").count
        return count("num_heads"), count("head_dim"), count("short_conv_kernel_size")

    def _delta(self) -> Iterator[Tensor]:
        heads, head, kernel = self._delta_heads()
        width, hidden = heads * head, self.hidden
        for name in ("q_proj", "k_proj", "v_proj"):
            yield Tensor(f"self_attn.{name}", width, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.conv1d", 3 * width, kernel, RANKS, dtype="float32")
        full = self._full_gate()
        for gate in ("f",) if full else ("f", "g"):
            yield Tensor(f"self_attn.{gate}_a_proj", head, hidden, quantizable=True)
            yield Tensor(f"self_attn.{gate}_b_proj", width, head, RANKS, quantizable=True)
        if full:
            yield Tensor("self_attn.g_proj", width, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.b_proj", heads, hidden, RANKS, quantizable=True)
        yield Tensor("self_attn.A_log", heads, sharding=RANKS, dtype="float32")
        yield Tensor("self_attn.dt_bias", width, sharding=RANKS, dtype="float32")
        yield Tensor("self_attn.o_norm", head)
        yield Tensor("self_attn.o_proj", hidden, width, RANKS, quantizable=True)

    def _full_gate(self) -> bool:
        """Whether the gate on the output is one product instead of two narrow ones."""
        return False

    def _state(self) -> KvCache:
        """A float32 matrix a head, and the tokens that the convolution has yet to see."""
        heads, head, kernel = self._delta_heads()
        matrix = heads * head * head * DTYPE_BYTES["float32"]
        return KvCache(0, 0, state_bytes=matrix + 3 * heads * head * (kernel - 1) * 2)


class Glm5Next(KimiLinear):
    """The same with an indexer that pools keys, and several streams between layers."""

    def _linear(self) -> list[bool]:
        types = self.config.names("layer_types", self.count)
        if types is None:
            self.config.fault("layer_types", "is required", by=("layer_types", *LAYERS))
        return [kind == "linear_attention" for kind in types or ("",) * self.count]

    def _windows(self) -> list[int | None]:
        return [None] * self.count

    def _sparse(self) -> list[bool]:
        """All but the first three where no list says (Glm5NextTextConfig, transformers 5.19)."""
        if self.config.values.get("mlp_layer_types") is None:
            return [layer > 2 for layer in range(self.count)]
        return super()._sparse()

    def _delta_heads(self) -> tuple[int, int, int]:
        count = self.config.count
        return count("linear_num_heads"), count("linear_head_dim"), count("linear_conv_kernel_dim")

    def _norms(self) -> Iterator[Tensor]:
        """With what mixes the streams before attention and before the MLP."""
        yield from super()._norms()
        streams = self.config.count("hc_mult")
        mixed = (2 + streams) * streams
        wide = mixed * streams * self.hidden + mixed + 3
        yield Tensor("hyper_connections", 2 * wide, dtype="float32")

    def _indexer(self) -> Iterator[Tensor]:
        yield from super()._indexer()
        head, pooled = self.config.count("index_head_dim"), self.config.count("index_kpool")
        yield Tensor("self_attn.indexer.compress_gate", head, self.hidden)
        yield Tensor("self_attn.indexer.compress_ape", pooled, head, dtype="float32")

    def _index_bytes(self) -> int:
        """One key for so many tokens, rounded up to whole bytes a token."""
        return -(-super()._index_bytes() // self.config.count("index_kpool"))
