"""A model as the engine holds it: its tensors, layer by layer, and what it keeps of a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property

from rackwright.models.quantization import Quantization


class Sharding(Enum):
    """What tensor parallelism does to a tensor."""

    REPLICATED = "replicated"
    RANKS = "ranks"
    """Divided by the ranks, by rows or columns."""
    KV_HEADS = "kv_heads"
    """Divided as far as there are KV heads, copied beyond that."""
    VOCABULARY = "vocabulary"
    """Rows padded by the engine, then divided by the ranks."""
    EXPERTS = "experts"
    """Each expert divided by the ranks, or whole experts dealt to them (expert parallel)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """``copies`` matrices of ``rows`` x ``columns`` elements (a vector has one column).

    ``name`` is that of the checkpoint without layer and expert numbers. ``stored`` is False for
    what the engine makes beside the checkpoint, ``if_quantized`` for what it makes only beside
    quantized weights. ``quantizable`` marks the linear layers: their
    elements take what the model's quantization says, all others ``dtype``, or the model's own.
    """

    name: str
    rows: int
    columns: int = 1
    sharding: Sharding = Sharding.REPLICATED
    copies: int = 1
    quantizable: bool = False
    stored: bool = True
    if_quantized: bool = False
    dtype: str | None = None

    @property
    def elements(self) -> int:
        """Elements of all copies, before any sharding."""
        return self.rows * self.columns * self.copies


@dataclass(frozen=True, slots=True)
class KvCache:
    """What one layer keeps of each token: ``elements`` a head.

    ``latent`` is MLA's one compressed head, which every rank holds whole. ``window`` is how many
    tokens back the layer looks; None for all of them. A layer of linear attention keeps nothing of
    a token, but ``state_bytes`` of each request, which ranks divide.
    """

    heads: int
    elements: int
    latent: bool = False
    window: int | None = None
    state_bytes: int = 0

    @property
    def kind(self) -> int | str:
        """Layers of one kind share blocks: ``full``, ``state``, or the size of their window."""
        if self.state_bytes:
            return "state"
        return self.window or "full"


@dataclass(frozen=True, slots=True)
class Experts:
    """The routed experts of a layer: ``count`` of width ``width``, ``active`` for each token."""

    count: int
    active: int
    width: int


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer. ``mlp_width`` is of what every token passes; 0 where there is none.

    ``query_width`` is the queries of all heads together, ``output_width`` what attention sums up
    of all heads (for latent attention still latent), ``unfolded_width`` the keys and values that
    latent attention unfolds of a token.
    """

    tensors: tuple[Tensor, ...]
    kv: KvCache
    mlp_width: int
    query_width: int
    output_width: int
    unfolded_width: int = 0
    experts: Experts | None = None

    def __hash__(self) -> int:
        """By a few of its widths: layers are compared often, and those of a model are few kinds."""
        return hash((self.mlp_width, self.query_width, self.kv.window))


@dataclass(frozen=True, eq=False)
class Shape:
    """A whole decoder. ``embedding`` sits on the first pipeline stage, ``head`` on the last.

    ``rotary`` is the engine's table of rotary positions, on every stage. ``tied`` models keep one
    table for embedding and head. ``heads`` are attention heads; ``widths`` are what tensor parallel
    sizes must divide besides, by what they are called. ``unscaled_context`` is the longest request
    without what scales its positions. ``text_only``: the text half of a model that also sees
    images. ``second_runner``: vLLM's newer model runner serves it. ``float16``: it can be computed
    in that instead of bfloat16. ``activation_bytes`` is given where it cannot be computed;
    ``file_bytes`` where it is served from one GGUF file of that size. Compared by identity, so that
    what is computed of a shape can be remembered.
    """

    architecture: str
    hidden_size: int
    heads: int
    kv_heads: int
    vocab_size: int
    layers: tuple[Layer, ...]
    embedding: Tensor
    head: Tensor
    norm: Tensor
    rotary: Tensor
    tied: bool
    max_position_embeddings: int
    dtype: str = "bfloat16"
    quantization: Quantization | None = None
    widths: dict[str, int] = field(default_factory=dict)
    padded_experts: bool = False
    text_only: bool = False
    second_runner: bool = True
    float16: bool = True
    unscaled_context: int | None = None
    activation_bytes: int | None = None
    file_bytes: int | None = None

    @cached_property
    def kinds(self) -> tuple[Layer, ...]:
        """Each different layer once; most models have one or two."""
        return tuple(dict.fromkeys(self.layers))

    @cached_property
    def kind_numbers(self) -> tuple[int, ...]:
        """For each layer, which of the ``kinds`` it is."""
        numbers = {layer: number for number, layer in enumerate(self.kinds)}
        return tuple(numbers[layer] for layer in self.layers)

    def tensors(self) -> Iterator[Tensor]:
        """Every tensor of the checkpoint once."""
        yield self.embedding
        for layer in self.layers:
            yield from (tensor for tensor in layer.tensors if tensor.stored)
        yield self.norm
        if not self.tied:
            yield self.head

    @property
    def parameters(self) -> int:
        """Elements of the checkpoint, quantized or not, without quantization scales."""
        return sum(tensor.elements for tensor in self.tensors())

    @property
    def experts(self) -> Experts | None:
        """The routed experts of the layers that have them; None for a dense model."""
        return next((layer.experts for layer in self.layers if layer.experts), None)

    def of_file(self, size_bytes: int) -> Shape:
        """The same model, its weights in one file of so many bytes."""
        return replace(self, file_bytes=size_bytes)

    def with_quantization(self, quantization: Quantization | None) -> Shape:
        """The same model with its linear layers held as ``quantization`` says."""
        return replace(self, quantization=quantization)
