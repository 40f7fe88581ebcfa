"""A model as the engine holds it: its tensors, layer by layer, and what it keeps of a token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple

from rackwright.models.quantization import HEAD, Quantization, Scheme, linear_of

if TYPE_CHECKING:
    from rackwright.models.vision.tower import Tower


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
    ``in_host``: the engine keeps it in pinned memory of the host, and looks it up there.
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
    in_host: bool = False

    @property
    def elements(self) -> int:
        """Elements of all copies, before any sharding."""
        return self.rows * self.columns * self.copies


class Page(NamedTuple):
    """One block of one cache of a layer: ``size_bytes`` for ``tokens``, on every rank whole.

    ``window`` is how many tokens back it is kept; None for all of them. ``once``: a request has one
    such block, however long it is.
    """

    tokens: int
    size_bytes: int
    window: int | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class KvCache:
    """What one layer keeps of each token: ``elements`` a head.

    ``latent`` is MLA's one compressed head, which every rank holds whole. ``window`` is how many
    tokens back the layer looks; None for all of them. A layer of linear attention keeps nothing of
    a token, but ``state_bytes`` of each request, which ranks divide. ``beside_bytes`` are kept of
    each token whatever the cache's dtype, whole on every rank; ``fixed_tokens`` of a request,
    however long it is. ``fp8_bytes`` are a token's where FP8 has a layout of its own.
    ``pages``: a layer with several caches, each with blocks of its own, whatever the dtype.
    """

    heads: int
    elements: int
    latent: bool = False
    window: int | None = None
    state_bytes: int = 0
    beside_bytes: int = 0
    fixed_tokens: int = 0
    fp8_bytes: int = 0
    pages: tuple[Page, ...] = ()

    @property
    def kind(self) -> int | str:
        """Layers of one kind share blocks: ``full``, ``state``, ``fixed``, or a window's size.

        A layer that keeps nothing of its own is of kind ``none``.
        """
        if self.state_bytes:
            return "state"
        if not self.elements:
            return "none"
        if self.fixed_tokens:
            return "fixed"
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
    latent attention unfolds of a token. One that a token passes once more holds no tensors: its
    weights lie ``back`` layers before it.
    """

    tensors: tuple[Tensor, ...]
    kv: KvCache
    mlp_width: int
    query_width: int
    output_width: int
    unfolded_width: int = 0
    experts: Experts | None = None
    back: int = 0

    def __hash__(self) -> int:
        """By a few of its widths: layers are compared often, and those of a model are few kinds."""
        return hash((self.mlp_width, self.query_width, self.kv.window))


class FileBytes(NamedTuple):
    """Bytes of a GGUF file's tensors: of each layer, and of the output head.

    The first of ``layers`` has what stands before them on its GPU. ``head`` has the norm before it,
    and is the embedding table once more where there is none of its own. ``everywhere`` is what
    every GPU has. ``files`` are the sizes of the file, or of all parts of a split one.
    """

    layers: tuple[int, ...]
    head: int
    everywhere: int = 0
    files: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Shape:
    """A whole decoder. ``embedding`` sits on the first pipeline stage, ``head`` on the last.

    ``beside`` stands with the embedding on the first stage. ``rotary`` is the engine's table of
    rotary positions, on every stage. ``tied`` models keep one
    table for embedding and head. ``heads`` are attention heads; ``widths`` are what tensor parallel
    sizes must divide besides, by what they are called. ``least_width`` is what a rank holds
    at least of the width of experts that are divided. ``unscaled_context`` is the longest request
    without what scales its positions. ``text_only``: the text half of a model that also sees
    images; ``tower`` is what sees, where it can be planned, else ``unseeing`` says why not, and
    ``images`` how many a prompt may have where it is served with it; ``ear``, ``unhearing`` and
    ``audios`` are the same of sound. ``answers`` with text, vectors (or scores: it has no head), or
    transcripts; ``transcribes``: where it hears, it also answers with those.
    ``second_runner``: vLLM's newer model runner serves it, as 0.32 does all
    (use_v2_model_runner in vllm/config/vllm.py). ``float16``: it can be computed in that instead of
    bfloat16. ``stored_bytes``: what its files hold of what an engine loads; None where
    nobody looked. ``margin``: its architecture is not known, so this is an estimate, off by up to
    such a share. ``staged`` is False where vLLM's class has no pipeline stages; ``seams`` are
    the layers that a stage may begin with, where not all may. ``canvas``: tokens of an answer that
    are made together, 0 where one follows another. ``activation_bytes`` is given where it cannot be
    computed; ``file_bytes`` where it is served from one GGUF file of that size, ``in_file`` what
    the file's header says of its parts, and ``projector_bytes`` of the file beside it that sees or
    hears. Compared by identity, so that what is computed of a shape can be remembered.
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
    beside: tuple[Tensor, ...] = ()
    widths: dict[str, int] = field(default_factory=dict)
    padded_experts: bool = False
    least_width: int = 0
    text_only: bool = False
    tower: Tower | None = None
    unseeing: str = ""
    images: int = 0
    ear: Tower | None = None
    unhearing: str = ""
    audios: int = 0
    answers: Literal["text", "vectors", "transcripts"] = "text"
    transcribes: bool = False
    second_runner: bool = True
    float16: bool = True
    unscaled_context: int | None = None
    activation_bytes: int | None = None
    staged: bool = True
    seams: tuple[int, ...] = ()
    canvas: int = 0
    file_bytes: int | None = None
    stored_bytes: int | None = None
    margin: float = 0.0
    in_file: FileBytes | None = None
    projector_bytes: int = 0

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
        yield from (tensor for tensor in self.beside if tensor.stored)
        for layer in self.layers:
            yield from (tensor for tensor in layer.tensors if tensor.stored)
        yield self.norm
        if not self.tied and self.head.stored:
            yield self.head

    @cached_property
    def schemes(self) -> tuple[tuple[Scheme | None, ...], ...]:
        """For each layer, how each of its tensors is held; None: in its own dtype.

        Raises ValueError where products that the engine merges are not quantized alike.
        """
        if self.quantization is None:
            plain = {id(layer): (None,) * len(layer.tensors) for layer in self.kinds}
            return tuple(plain[id(self.kinds[number])] for number in self.kind_numbers)
        return tuple(
            _schemes(self.quantization, number, layer) for number, layer in enumerate(self.layers)
        )

    @cached_property
    def head_scheme(self) -> Scheme | None:
        """How the table of outputs is held where it has one of its own."""
        return None if self.tied or not self.quantization else self.quantization.scheme(HEAD)

    @property
    def kv_cache_dtype(self) -> str:
        """What the engine keeps keys and values in where nothing else is asked."""
        asked = self.quantization.kv_cache if self.quantization else None
        return asked or self.dtype

    @property
    def parameters(self) -> int:
        """Elements of the checkpoint, quantized or not, without quantization scales."""
        return sum(tensor.elements for tensor in self.tensors())

    @cached_property
    def experts(self) -> Experts | None:
        """The routed experts of the layers that have them; None for a dense model."""
        return next((layer.experts for layer in self.layers if layer.experts), None)

    def of_file(self, size_bytes: int, projector_bytes: int = 0) -> Shape:
        """The same model, its weights in files of so many bytes, maybe with a projector beside."""
        return replace(self, file_bytes=size_bytes, projector_bytes=projector_bytes)

    def with_quantization(self, quantization: Quantization | None) -> Shape:
        """The same model with its linear layers held as ``quantization`` says."""
        return replace(self, quantization=quantization)

    def seeing(self, images: int, audios: int = 0) -> Shape:
        """The same model served with its towers, for prompts of so many images and sounds."""
        images, audios = images if self.tower else 0, audios if self.ear else 0
        served = replace(self, images=images, audios=audios)
        for tower, _ in served.towers:
            served = replace(served, widths=served.widths | tower.widths)
        return served

    @property
    def paced(self) -> bool:
        """It writes token by token: only of such are stages, groups and speed planned."""
        return self.answers == "text" and not self.canvas

    @property
    def towers(self) -> tuple[tuple[Tower, int], ...]:
        """Those that it is served with, and how many items of each a prompt may have."""
        of = ((self.tower, self.images), (self.ear, self.audios))
        return tuple((tower, many) for tower, many in of if tower and many)

    @property
    def least_step(self) -> int:
        """Tokens that a step must have room for: items that the text model reads in one."""
        return max((tower.tokens for tower, _ in self.towers if tower.unbroken), default=0)


def _schemes(quantization: Quantization, number: int, layer: Layer) -> tuple[Scheme | None, ...]:
    names = {tensor.name for tensor in layer.tensors}
    found = []
    for tensor in layer.tensors:
        own = tensor.name.removesuffix(".keys").removesuffix(".states")
        gated = f"{own.rpartition('.')[0]}.gate_proj" in names
        counts = tensor.quantizable or tensor.if_quantized
        found.append(quantization.scheme(linear_of(number, own, gated)) if counts else None)
    return tuple(found)
