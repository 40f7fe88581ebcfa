"""Mamba 2 (arXiv:2405.21060) among attention, and Granite 4 H, which is made of both.

Source: vllm/model_executor/layers/mamba/mamba_mixer2.py and models/granitemoehybrid.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.config import LAYERS
from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.quantization import DTYPE_BYTES
from rackwright.models.shape import KvCache, Layer, Sharding, Tensor

OLDER = {"linear_attention": "mamba", "full_attention": "attention"}
"""Kinds of layers by the names that transformers 5 gives them."""


class Keys(NamedTuple):
    """What a ``config.json`` calls the sizes of its Mamba; the dtype its state has as a rule."""

    heads: str = "mamba_n_heads"
    head: str = "mamba_d_head"
    groups: str = "mamba_n_groups"
    state: str = "mamba_d_state"
    kernel: str = "mamba_d_conv"
    conv_bias: str = "mamba_conv_bias"
    state_dtype: str = "bfloat16"


class Mamba(Decoder):
    """Reads the layers of a model that has some."""

    keys = Keys()

    def _mamba(self) -> Iterator[Tensor]:
        """States of a single group are on every rank whole, those of several are divided."""
        inner, mixed, heads = self._sizes()
        states = mixed - inner
        shared = Sharding.REPLICATED if self.config.count(self.keys.groups) == 1 else RANKS
        kernel = self.config.count(self.keys.kernel)
        yield Tensor("mixer.in_proj", 2 * inner + heads, self.hidden, RANKS, quantizable=True)
        yield Tensor("mixer.in_proj.states", states, self.hidden, shared, quantizable=True)
        yield Tensor("mixer.conv1d", inner, kernel, RANKS)
        yield Tensor("mixer.conv1d.states", states, kernel, shared)
        if self.config.flag(self.keys.conv_bias, True):
            yield Tensor("mixer.conv1d.bias", inner, sharding=RANKS)
            yield Tensor("mixer.conv1d.states.bias", states, sharding=shared)
        yield Tensor("mixer.A_log", heads, sharding=RANKS, dtype="float32")
        yield Tensor("mixer.D", heads, sharding=RANKS)
        yield Tensor("mixer.dt_bias", heads, sharding=RANKS)
        yield Tensor("mixer.norm", inner, sharding=RANKS)
        yield Tensor("mixer.out_proj", self.hidden, inner, RANKS, quantizable=True)

    def _sizes(self) -> tuple[int, int, int]:
        """Width of all heads, what the convolution passes, heads."""
        count, keys = self.config.count, self.keys
        heads = count(keys.heads)
        inner = heads * count(keys.head)
        return inner, inner + 2 * count(keys.groups) * count(keys.state), heads

    def _kept_of_a_request(self) -> KvCache:
        """A matrix a head, and the tokens that the convolution has yet to see."""
        inner, mixed, _ = self._sizes()
        usual = self.keys.state_dtype
        kept = DTYPE_BYTES.get(self.config.text("mamba_ssm_cache_dtype", usual), 4)
        matrix = inner * self.config.count(self.keys.state) * kept
        window = mixed * (self.config.count(self.keys.kernel) - 1) * 2
        return KvCache(0, 0, state_bytes=matrix + window)


def older_names(kinds: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Kinds of layers as they were called before transformers 5, which renames what it saves.

    Source: remap_legacy_layer_types in transformers/configuration_utils.py, 5.24.
    """
    return kinds and tuple(OLDER.get(kind, kind) for kind in kinds)


class GraniteHybrid(Mamba):
    """Reads the layers of a Granite 4 H: Mamba or attention, then experts beside an MLP."""

    def layers(self) -> tuple[Layer, ...]:
        """Every layer in order; equal layers are one and the same value."""
        key, known = "layer_types", ("mamba", "attention")
        kinds = older_names(self.config.names(key, self.count))
        if kinds is None or set(kinds) - set(known):
            rule = f"must be a list of {' or '.join(known)}"
            self.config.fault(key, rule, kinds, by=(key, *LAYERS))
            kinds = ("attention",) * self.count
        made = {kind: self._made(kind == "mamba") for kind in dict.fromkeys(kinds)}
        return tuple(made[kind] for kind in kinds)

    def rotary(self) -> Tensor:
        """None where it has no positions."""
        turns = self.config.text("position_embedding_type") == "rope"
        return super().rotary() if turns else Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: heads of Mamba, and the MLP."""
        heads = self.config.count(self.keys.heads)
        return {"Mamba heads": heads, "MLP width": self._shared_width()}

    def _made(self, mamba: bool) -> Layer:
        width, queries = self._shared_width(), 0 if mamba else self.heads * self.head_dim
        tensors = [*(self._mamba() if mamba else self._attention()), *self._norms()]
        if self.experts:
            tensors += self._routed(self.experts)
        else:
            tensors += self._mlp("shared_mlp", width)
        kept = self._kept_of_a_request() if mamba else self._kv(None, False)
        return Layer(tuple(tensors), kept, width, queries, queries, experts=self.experts)
