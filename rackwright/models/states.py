"""Models of states alone: Mamba (arXiv:2312.00752), FalconMamba, Mamba 2 (arXiv:2405.21060).

Source: vllm/model_executor/models/mamba.py, mamba2.py and layers/mamba/mamba_mixer2.py, 0.32. They
keep the same of a request however long it is, and their configs name no longest one: the engine
takes whatever it is told (``_get_and_verify_max_len``, config/model.py).
"""

from __future__ import annotations

from math import lcm

from rackwright.models.config import Config
from rackwright.models.decoder import RANKS
from rackwright.models.family import Family
from rackwright.models.mamba import Keys, Mamba
from rackwright.models.mamba1 import Mamba1
from rackwright.models.shape import Layer, Tensor

ANY_LENGTH = 1 << 20
NO_HEADS = lcm(128, *range(1, 17))
"""Stands for attention heads, of which they have none: any tensor parallel size divides it."""


def without_attention(config: Config) -> None:
    """Fills in what every decoder is asked for and these have not."""
    fixed = {"num_attention_heads": NO_HEADS, "num_key_value_heads": NO_HEADS}
    config.values = {"max_position_embeddings": ANY_LENGTH, **config.values, **fixed}


class StatesOnly(Mamba1):
    """Reads the layers of one Mamba or FalconMamba, whose norms inside only scale by what comes."""

    def __init__(self, config: Config, family: Family) -> None:
        """They have neither heads nor an MLP."""
        without_attention(config)
        super().__init__(config, family)

    def layers(self) -> tuple[Layer, ...]:
        """All alike."""
        tensors = (*self._mixes(), Tensor("norm", self.hidden))
        return (Layer(tensors, self._kept(), 0, 0, 0),) * self.count

    def rotary(self) -> Tensor:
        """None: there are no positions."""
        return Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide."""
        return {"Mamba width": self._inner()}

    def _dense_width(self) -> int:
        return 0

    def _inner(self) -> int:
        return self.config.count("intermediate_size")


class Mamba2(Mamba):
    """Reads the layers of one Mamba 2."""

    keys = Keys(
        heads="num_heads",
        head="head_dim",
        groups="n_groups",
        state="state_size",
        kernel="conv_kernel",
        conv_bias="use_conv_bias",
    )

    def __init__(self, config: Config, family: Family) -> None:
        """They have neither heads of attention nor an MLP."""
        without_attention(config)
        super().__init__(config, family)

    def layers(self) -> tuple[Layer, ...]:
        """All alike."""
        tensors = [*self._mamba(), Tensor("norm", self.hidden)]
        if self.config.flag("use_bias"):
            inner, mixed, heads = self._sizes()
            tensors.append(Tensor("mixer.in_proj.bias", inner + mixed + heads, sharding=RANKS))
            tensors.append(Tensor("mixer.out_proj.bias", self.hidden))
        return (Layer(tuple(tensors), self._kept_of_a_request(), 0, 0, 0),) * self.count

    def rotary(self) -> Tensor:
        """None: there are no positions."""
        return Tensor("rotary", 0, stored=False)

    def widths(self) -> dict[str, int]:
        """What ranks must divide: heads, and groups where there are several."""
        groups = self.config.count("n_groups")
        heads = {"Mamba heads": self._sizes()[2]}
        return heads if groups == 1 else {**heads, "Mamba groups": groups}

    def _dense_width(self) -> int:
        return 0
