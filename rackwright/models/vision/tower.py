"""What sees or hears beside a text model: the tensors of its tower, and what an item costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from rackwright.models.config import Config
from rackwright.models.decoder import MOST_LAYERS
from rackwright.models.shape import Sharding, Tensor

WHOLE, RANKS = Sharding.REPLICATED, Sharding.RANKS
Sharing = Literal["always", "never", "if it divides heads"]
"""When ranks divide the products of blocks, instead of each holding them whole."""


@dataclass(frozen=True)
class Tower:
    """A tower and the projector behind it, as vLLM divides them (``--mm-encoder-tp-mode weights``).

    ``patches`` and ``tokens`` are of the largest image or sound: what its blocks see, and what they
    hand to the text model. ``inputs`` are elements of a patch; ``levels`` are outputs that later
    layers of the text model get besides (deepstack). ``heads`` and ``width`` are what ranks must
    divide, where they always do (``shared``).
    ``unbroken``: the text model reads an item in one step, for its tokens see one another both
    ways (``is_mm_prefix_lm`` in transformers_utils/model_arch_config_convertor.py, 0.32, which
    makes platforms/cuda.py disable chunks; compute_mm_encoder_budget then ends where a step is
    shorter).
    """

    tensors: tuple[Tensor, ...]
    hidden: int
    heads: int
    width: int
    gated: bool
    patches: int
    tokens: int
    inputs: int
    levels: int = 0
    unbroken: bool = False
    shared: Sharing = "always"

    @property
    def parameters(self) -> int:
        """Elements of tower and projector in the checkpoint."""
        return sum(tensor.elements for tensor in self.tensors if tensor.stored)

    @property
    def widths(self) -> dict[str, int]:
        """What tensor parallel sizes must divide, by what it is called."""
        if self.shared != "always":
            return {}
        return {"vision heads": self.heads, "vision MLP width": self.width}

    def ranks(self, tensor: int) -> int:
        """How many of so many ranks divide its blocks; 1 where each has all of them."""
        divides = self.shared == "always" or self.heads % tensor == 0
        return tensor if divides and self.shared != "never" else 1


@dataclass(frozen=True)
class Blocks:
    """The blocks of a tower: ``count`` of them, all alike, with ``norm`` elements in each norm."""

    count: int
    hidden: int
    heads: int
    width: int
    norm: int
    gated: bool = False
    bias: bool = True

    def tensors(self, name: str) -> Iterator[Tensor]:
        """Attention by heads, the MLP by its width; norms, and biases behind sums, whole."""
        gates, hidden, width = 2 if self.gated else 1, self.hidden, self.width
        yield Tensor(f"{name}.attn.qkv", 3 * hidden, hidden, RANKS, self.count)
        yield Tensor(f"{name}.attn.proj", hidden, hidden, RANKS, self.count)
        yield Tensor(f"{name}.mlp.up", gates * width, hidden, RANKS, self.count)
        yield Tensor(f"{name}.mlp.down", hidden, width, RANKS, self.count)
        yield Tensor(f"{name}.norms", 2 * self.norm, copies=self.count)
        if self.bias:
            divided = 3 * hidden + gates * width
            yield Tensor(f"{name}.bias", divided, sharding=RANKS, copies=self.count)
            yield Tensor(f"{name}.sums.bias", 2 * hidden, copies=self.count)

    def tower(
        self, tensors: list[Tensor], patches: int, tokens: int, inputs: int, levels: int = 0
    ) -> Tower:
        """The tower with these blocks, whose tensors are ``tensors``."""
        sizes = self.hidden, self.heads, self.width, self.gated
        return Tower(tuple(tensors), *sizes, patches, tokens, inputs, levels)


def layers_of(config: Config, *keys: str, default: int | None = None) -> int:
    """How many blocks; not more than any model has layers."""
    return config.count(*keys, default=default, most=MOST_LAYERS)
