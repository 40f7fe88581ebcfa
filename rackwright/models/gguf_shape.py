"""A model from the header of its GGUF file: bytes to the byte, KV cache as llama.cpp allocates it.

Source: llama.cpp, src/llama-hparams.cpp (``n_embd_k_gqa``, ``n_embd_r``, ``n_embd_s``, ``has_kv``),
src/llama-kv-cache.cpp (MLA keeps keys alone) and the loaders of architectures in src/models.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from rackwright.errors import Fault, SpecError
from rackwright.models.gguf_header import GgufHeader, TensorInfo, layer_numbers, read_header
from rackwright.models.gguf_kept import kept_by_layer
from rackwright.models.gguf_keys import Keys
from rackwright.models.shape import Experts, FileBytes, KvCache, Layer, Shape, Sharding, Tensor

MOST_LAYERS = 1024
TABLE = "token_embd.weight"
ON_HOST = (TABLE, "position_embd.weight", "token_types.weight", "per_layer_token_embd.weight")
BEFORE_LAYERS = ("token_embd_norm.", "per_layer_model_proj.", "per_layer_proj_norm.")
EVERYWHERE = ("rope_freqs.", "rope_factors_long.", "rope_factors_short.")
"""Where llama.cpp has tensors of no layer: tables of inputs on the host, these with the first
layer, these on every device, all others with the output (``LLM_TENSOR_INFOS`` in
src/llama-arch.cpp, and the layer that their loaders name)."""


@dataclass(frozen=True)
class FileModel:
    """A model that is known from its file alone. ``about`` is its mixture of quantizations."""

    name: str
    shape: Shape
    about: str

    @property
    def longest_context(self) -> int:
        """The most tokens of one request."""
        return self.shape.max_position_embeddings


def model_of_file(path: Path) -> FileModel:
    """The model of a GGUF file, called as the file is. Raises SpecError as ``gguf_shape``."""
    header = read_header(path)
    return FileModel(path.name.removesuffix(".gguf"), gguf_shape(header), mixture(header))


def gguf_shape(header: GgufHeader) -> Shape:
    """The shape of the model in a file, or in all parts of a split one.

    Raises SpecError for what is no language model, and for a model whose cache is not known.
    """
    keys = Keys(header)
    layers = keys.count("block_count")
    if layers > MOST_LAYERS:
        keys.fault("block_count", f"must be at most {MOST_LAYERS}", layers)
    keys.settle()
    kept = kept_by_layer(keys, layers)
    hidden, context = keys.count("embedding_length"), keys.count("context_length")
    keys.settle()
    by_layer = _by_layer(header, layers)
    embedding = _named(header, TABLE)
    output = next((t for t in header.tensors if t.name == "output.weight"), None)
    vocabulary = embedding.dimensions[-1]
    table = Tensor("embed_tokens", vocabulary, hidden, Sharding.VOCABULARY)
    others = sum(
        _elements(tensor)
        for number, tensor in layer_numbers(header.tensors)
        if number is None and tensor not in (embedding, output)
    )
    heads = keys.each("attention.head_count", layers, 0)
    shape = Shape(
        architecture=f"GGUF {keys.architecture}",
        hidden_size=hidden,
        heads=max(1, *heads),
        kv_heads=max(1, *(kv.heads for kv in kept)),
        vocab_size=vocabulary,
        layers=_layers(keys, by_layer, kept),
        embedding=table,
        head=table,
        norm=Tensor("others", others),
        rotary=Tensor("rotary", 0, stored=False),
        tied=output is None,
        max_position_embeddings=context,
        answers="vectors" if _pools(keys) else "text",
        file_bytes=header.file_bytes,
        in_file=_in_file(header, by_layer, tied=output is None),
    )
    keys.settle()
    return shape


def _pools(keys: Keys) -> bool:
    """Whether it was made to answer with vectors: it says how its tokens become one, or reads both
    ways (``pooling_type`` and ``attention.causal`` of src/llama-arch.cpp)."""
    return bool(keys.number("pooling_type", 0)) or keys.raw("attention.causal") == 0


def _in_file(header: GgufHeader, by_layer: list[list[TensorInfo]], *, tied: bool) -> FileBytes:
    sizes = [sum(tensor.size_bytes for tensor in tensors) for tensors in by_layer]
    head = everywhere = 0
    for number, tensor in layer_numbers(header.tensors):
        if number is not None or tensor.name in ON_HOST:
            head += tensor.size_bytes if tied and tensor.name == TABLE else 0
        elif tensor.name.startswith(BEFORE_LAYERS):
            sizes[0] += tensor.size_bytes
        elif tensor.name.startswith(EVERYWHERE):
            everywhere += tensor.size_bytes
        else:
            head += tensor.size_bytes
    return FileBytes(tuple(sizes), head, everywhere, header.file_sizes)


def mixture(header: GgufHeader) -> str:
    """Its types of tensors by share of the bytes: ``Q4_K 82 %, Q6_K 17 %``."""
    whole = max(1, header.tensor_bytes)
    shares = {name: size / whole for name, size in header.types.items()}
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share >= 0.005)


def _named(header: GgufHeader, name: str) -> TensorInfo:
    for tensor in header.tensors:
        if tensor.name == name and len(tensor.dimensions) == 2:
            return tensor
    raise SpecError([Fault(str(header.path), f"has no tensor {name}: it is no language model")])


def _by_layer(header: GgufHeader, layers: int) -> list[list[TensorInfo]]:
    found: list[list[TensorInfo]] = [[] for _ in range(layers)]
    for number, tensor in layer_numbers(header.tensors):
        if number is not None and number >= layers:
            rule = f"has {tensor.name}, but says it has {layers} layers"
            raise SpecError([Fault(str(header.path), rule)])
        if number is not None:
            found[number].append(tensor)
    empty = [str(number) for number, tensors in enumerate(found) if not tensors]
    if empty:
        rule = f"has no tensors of layer {', '.join(empty[:5])}: parts of it are missing"
        raise SpecError([Fault(str(header.path), rule)])
    return found


def _layers(keys: Keys, by_layer: list[list[TensorInfo]], kept: list[KvCache]) -> tuple[Layer, ...]:
    count, layers = len(by_layer), []
    heads = keys.each("attention.head_count", count, 0)
    widths = keys.each("feed_forward_length", count, 0)
    head = keys.key_length
    experts = _experts(keys)
    for number, tensors in enumerate(by_layer):
        routed = any("_exps." in tensor.name for tensor in tensors)
        own = tuple(Tensor(_short(tensor.name), _elements(tensor)) for tensor in tensors)
        width = heads[number] * head
        if kept[number].state_bytes:
            width = max(width, _scanned(keys) - 3 * widths[number])
        layers.append(
            Layer(
                own,
                kept[number],
                mlp_width=0 if routed else widths[number],
                query_width=width,
                output_width=width,
                experts=experts if routed else None,
            )
        )
    return tuple(layers)


def _scanned(keys: Keys) -> int:
    """Elements of a token while a recurrent layer scans: what goes in and its gate, what was
    convolved, what comes out, and beside these what reads and writes the state.

    What a server of 0.6.0 reported (tests/unit/models/test_gguf_shape.py) is as much for both kinds
    of Mamba, less for a gated delta net.
    """
    inner, groups = keys.number("ssm.inner_size", 0), keys.number("ssm.group_count", 0)
    return 6 * inner + (8 * groups if groups else 2) * keys.number("ssm.state_size", 0)


def _experts(keys: Keys) -> Experts | None:
    count = keys.number("expert_count", 0)
    if not count:
        return None
    width = keys.number("expert_feed_forward_length", 0) or keys.first("feed_forward_length")
    return Experts(count, max(1, keys.number("expert_used_count", 1)), width)


def _short(name: str) -> str:
    return name.split(".", 2)[2]


def _elements(tensor: TensorInfo) -> int:
    return prod(tensor.dimensions)
