"""Mamba 1 (arXiv:2312.00752): what a layer of it holds, and what it keeps of a request.

Source: vllm/model_executor/layers/mamba/mamba_mixer.py, 0.32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rackwright.models.decoder import RANKS, Decoder
from rackwright.models.shape import KvCache, Tensor


class Keys(NamedTuple):
    """What a ``config.json`` calls the sizes of its Mamba 1, and a checkpoint the mixer.

    ``normed``: norms of its own stand behind the product that steps and states come from.
    """

    name: str = "mixer"
    state: str = "state_size"
    kernel: str = "conv_kernel"
    step: str = "time_step_rank"
    conv_bias: str = "use_conv_bias"
    bias: str = "use_bias"
    normed: bool = False


class Mamba1(Decoder):
    """Reads the layers of a model that has some."""

    mamba_keys = Keys()

    def _inner(self) -> int:
        """What the mixer is wide."""
        raise NotImplementedError

    def _step(self) -> int:
        return self.config.count(self.mamba_keys.step)

    def _mixes(self) -> Iterator[Tensor]:
        """Its products are never quantized: the engine's mixer is told of no quantization."""
        keys, inner, hidden = self.mamba_keys, self._inner(), self.hidden
        state, step, name = self.config.count(keys.state), self._step(), keys.name
        yield Tensor(f"{name}.in_proj", 2 * inner, hidden, RANKS)
        yield Tensor(f"{name}.conv1d", inner, self.config.count(keys.kernel), RANKS)
        if self.config.flag(keys.conv_bias, True):
            yield Tensor(f"{name}.conv1d.bias", inner, sharding=RANKS)
        yield Tensor(f"{name}.x_proj", step + 2 * state, inner, RANKS)
        yield Tensor(f"{name}.dt_proj", inner, step, RANKS)
        yield Tensor(f"{name}.dt_proj.bias", inner, sharding=RANKS)
        yield Tensor(f"{name}.A_log", inner, state, RANKS, dtype="float32")
        yield Tensor(f"{name}.D", inner, sharding=RANKS)
        if keys.normed:
            yield Tensor(f"{name}.layernorms", step + 2 * state)
        yield Tensor(f"{name}.out_proj", hidden, inner, RANKS)
        if self.config.flag(keys.bias):
            yield Tensor(f"{name}.in_proj.bias", 2 * inner, sharding=RANKS)
            yield Tensor(f"{name}.out_proj.bias", hidden)

    def _kept(self) -> KvCache:
        """What was convolved, and a state of so many figures for each of the inner ones."""
        count, keys = self.config.count, self.mamba_keys
        elements = self._inner() * (count(keys.state) + count(keys.kernel) - 1)
        return KvCache(0, 0, state_bytes=2 * elements)
