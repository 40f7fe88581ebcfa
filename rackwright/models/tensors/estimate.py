"""A model whose architecture is not known: its weights by its files, the rest by standard keys.

Weights are exact in all. What a rank holds of them is judged by names (``names``), and what has no
name that is known is taken as held whole by every rank, which is never too little. The KV cache is
that of attention over everything, of layers that have keys and values or a state, unless
``layer_types`` lists windows. ``MARGIN`` and ``ODD_MARGIN`` are above what that was off for models
that are known, judged as though they were not (`python -m benchmarks.planner.estimates`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rackwright.errors import Fault, SpecError
from rackwright.models.answering import answers_of
from rackwright.models.config import Config
from rackwright.models.decoder import Decoder
from rackwright.models.family import Family
from rackwright.models.quantization import OLDER_KEY, Quantization, read_quantization
from rackwright.models.quantization.misread import UNREAD, misread
from rackwright.models.shape import KvCache, Layer, Shape, Sharding, Tensor
from rackwright.models.tensors.headers import Headers, HeldTensor
from rackwright.models.tensors.loaded import HEAD, TABLE, TOWER, layer_of, loaded
from rackwright.models.tensors.names import (
    ATTENTION,
    KEYS,
    STATE,
    as_tensor,
    is_last,
    is_routed,
    state_bytes,
)
from rackwright.models.tensors.standard import family_of, text_config

MARGIN, ODD_MARGIN = 0.1, 0.25
"""Of plain attention, and of models with layers that keep something else or see images."""
ByLayer = Mapping[int | None, list[HeldTensor]]


def estimated(architecture: str, values: Mapping[str, Any], headers: Headers, path: str) -> Shape:
    """The shape of a model of an unknown architecture. ``path`` names its config in faults.

    Raises SpecError with every standard key that is missing.
    """
    config = text_config(values, path)
    by_layer = _by_layer(headers.tensors)
    sparse = {number for number, held in by_layer.items() if any(map(is_routed, held))}
    decoder = _Guess(config, family_of(config), sparse)
    made, quantization = decoder.layers(), _quantization(config)
    vocabulary = config.count("vocab_size")
    dtype = config.text("dtype") or config.text("torch_dtype", "bfloat16")
    config.settle()
    if by_layer.keys() <= {None}:
        raise SpecError([Fault(path, "has tensors whose names say no layer: it cannot be split")])
    untied = any(HEAD.search(tensor.name) for tensor in by_layer[None])
    by_layer = _by_layer(loaded(headers.tensors, len(made), not untied))
    rows = [t.shape[0] for t in by_layer[None] if TABLE.search(t.name) and len(t.shape) == 2]
    placed = (TABLE.search, HEAD.search)
    beside = [t for t in by_layer[None] if not (is_last(t) or any(at(t.name) for at in placed))]
    return Shape(
        architecture=architecture,
        answers=answers_of(architecture),
        hidden_size=decoder.hidden,
        heads=decoder.heads,
        kv_heads=1 if decoder.family.latent else decoder.kv_heads,
        vocab_size=max([vocabulary, *rows]),
        layers=tuple(_layer(one, by_layer[i], config) for i, one in enumerate(made)),
        embedding=Tensor("embed_tokens", vocabulary, decoder.hidden, Sharding.VOCABULARY),
        head=Tensor("lm_head", vocabulary, decoder.hidden, Sharding.VOCABULARY),
        norm=Tensor("norm", sum(t.elements for t in by_layer[None] if is_last(t))),
        rotary=decoder.rotary(),
        tied=not untied,
        max_position_embeddings=decoder.rope.context,
        unscaled_context=decoder.rope.unscaled,
        dtype="float16" if dtype == "float16" else "bfloat16",
        quantization=quantization,
        beside=tuple(map(as_tensor, beside)),
        widths=decoder.widths(),
        margin=ODD_MARGIN if _is_odd(by_layer, len(made)) else MARGIN,
    )


class _Guess(Decoder):
    """A decoder whose layers with experts are those that have some in the files."""

    def __init__(self, config: Config, family: Family, sparse: set[int | None]) -> None:
        self.sparse = sparse
        super().__init__(config, family)

    def _sparse(self) -> list[bool]:
        return [number in self.sparse for number in range(self.count)]


def _by_layer(tensors: Any) -> ByLayer:
    found: dict[int | None, list[HeldTensor]] = defaultdict(list)
    for tensor in tensors:
        found[layer_of(tensor.name)].append(tensor)
    return found


def _layer(layer: Layer, held: list[HeldTensor], config: Config) -> Layer:
    return replace(layer, tensors=tuple(map(as_tensor, held)), kv=_kept(layer.kv, held, config))


def _kept(usual: KvCache, held: list[HeldTensor], config: Config) -> KvCache:
    """What a layer keeps: of each token by its keys' and values' rows, or a state of a request."""
    if any(ATTENTION.search(tensor.name) for tensor in held):
        width = sum(tensor.shape[0] for tensor in held if KEYS.search(tensor.name))
        fits = width and not usual.latent and width % usual.heads == 0
        return replace(usual, elements=width // usual.heads) if fits else usual
    return KvCache(0, 0, state_bytes=state_bytes(held, config))


def _is_odd(by_layer: ByLayer, layers: int) -> bool:
    """Whether there is more to it than attention and an MLP in each layer."""
    if any(TOWER.search(tensor.name) for tensor in by_layer[None]):
        return True
    return not all(
        any(ATTENTION.search(tensor.name) for tensor in by_layer[number])
        and not any(STATE.search(tensor.name) for tensor in by_layer[number])
        for number in range(layers)
    )


def _quantization(config: Config) -> Quantization | None:
    try:
        return read_quantization(config.values)
    except UNREAD:
        key = config.first("quantization_config", OLDER_KEY)
        config.fault(*misread(read_quantization, config.values, key))
        return None
