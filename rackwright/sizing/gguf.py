"""Bytes a GPU of a GGUF file, as llama.cpp deals it out. Ollama runs llama.cpp's server too.

Weights are the file's own bytes; the KV cache is allocated whole at the start, for every slot. The
input embeddings stay on the host; layers and the output head are dealt over the GPUs in order
(``load_tensors`` in src/llama-model.cpp). Source: llama.cpp b11434. ``kv_bytes`` and
``compute_bytes`` equal what a server of b10434 reported on a CPU, for seven shapes: dense ones and
mixtures of experts, 1 and 4 slots, f16 and q8_0 (tests/unit/sizing/test_gguf_sizes.py). Of several
GPUs, weights, ``kv_bytes`` and ``compute_bytes`` of each equal what 0.6.0 reported of two and three
Vulkan devices (tests/unit/sizing/test_dealing.py).
"""

from __future__ import annotations

from functools import lru_cache

from rackwright.models import KvCache, Layer, Shape
from rackwright.sizing.dealing import Dealt, dealt_layers, fitted_shares, fullest
from rackwright.sizing.split import GIB, Limits, Split
from rackwright.sizing.vram import GpuMemory
from rackwright.sizing.working import CONTEXT_BYTES

KV_ELEMENT_BYTES = {"auto": 2.0, "f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""ggml's blocks of 32 elements: with their 16-bit scale 34 and 18 bytes (ggml-common.h)."""
UBATCH_TOKENS = 512
"""Tokens of one step (``--ubatch-size``)."""
CELLS = 256
"""A slot's context and a window's cells are padded to so many (GGML_PAD in llama-context.cpp)."""
MARGIN_BYTES = GIB
"""What llama.cpp's own fit leaves free of each GPU (``--fit-target``); with less, Ollama keeps
layers on the host. The pools of CUDA's kernels grow into it."""
HEAD_BYTES_PER_ELEMENT = 210 / 256
"""An output head in Q6_K, which k-quants of all sizes keep for it (src/llama-quant.cpp)."""
COPIES = 4
"""Of the inputs of a graph where several GPUs take turns (GGML_SCHED_MAX_COPIES)."""
PROJECTOR_BYTES = GIB
"""What a projector computes in beside its weights, an estimate: llama.cpp is known to log 0.24 GiB
for images of 1472 x 1472 with flash attention, more for larger ones (``alloc_compute_meta``)."""
HANDED_ON, TAKEN_IN = 2, 9
"""Times the hidden states of a step more than of one GPU alone: on each of several, which copies
what the one before it hands on, and on the first, which copies embeddings as well, those of tokens
and those of images."""


def unjudged(shape: Shape) -> str:
    """Why such a model cannot be computed; empty where it can."""
    if shape.activation_bytes is not None:
        return "figures given by hand are not of llama.cpp, give its config"
    if shape.in_file:  # its header says what is kept
        return ""
    if shape.canvas:
        return "answers that are made a canvas at a time are not judged yet"
    if any(layer.kv.latent for layer in shape.kinds):
        return "the KV cache of latent attention (MLA) in llama.cpp is not judged yet"
    if any(layer.kv.state_bytes for layer in shape.kinds):
        return "linear attention in llama.cpp is not judged yet"
    return ""


def gguf_memory(shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
    """Memory of the fullest of ``split.pipeline`` GPUs with equal shares; slots come as one."""
    gpus = split.pipeline
    return fullest(gguf_gpus(shape, (total_bytes,) * gpus, limits, (1,) * gpus))


@lru_cache(maxsize=65536)
def gguf_dealt(shape: Shape, totals: tuple[int, ...], limits: Limits) -> tuple[Dealt, ...]:
    """What each GPU has, where llama.cpp is told how much: ``totals`` are bytes of each.

    Equal GPUs have equal shares as long as that fits; else all are filled alike.
    """
    equal = gguf_gpus(shape, totals, limits, (1,) * len(totals))
    alike = len(set(totals)) == 1
    if alike and fullest(equal).sequences >= limits.max_num_seqs:
        return equal
    each, head = _parts(shape)
    caches = [kv_bytes(layer.kv, limits) * limits.max_num_seqs for layer in shape.layers]
    costs = [*(round(own) + cache for own, cache in zip(each, caches, strict=True)), round(head)]
    working = compute_bytes(shape, len(totals), limits) + _everywhere(shape)
    rooms = [_room(total, limits) - working for total in totals]
    rooms[0] -= sum(_projector(shape))
    if min(rooms) <= 0 or (alike and sum(costs) > sum(rooms)):
        return equal
    return gguf_gpus(shape, totals, limits, fitted_shares(costs, rooms))


@lru_cache(maxsize=65536)
def gguf_gpus(
    shape: Shape, totals: tuple[int, ...], limits: Limits, shares: tuple[int, ...]
) -> tuple[Dealt, ...]:
    """What each GPU has, where they get such shares of the layers."""
    layers, gpus = dealt_layers(shares, len(shape.layers)), len(shares)
    return tuple(
        Dealt(
            share,
            own.start,
            own.stop,
            gpu == gpus - 1,
            _memory(shape, own, gpus, total, limits, last=gpu == gpus - 1),
        )
        for gpu, (share, own, total) in enumerate(zip(shares, layers, totals, strict=True))
    )


def _room(total_bytes: int, limits: Limits) -> int:
    """What there is for weights, caches and buffers."""
    share = int(total_bytes * limits.gpu_memory_utilization)
    return min(share, total_bytes - MARGIN_BYTES) - CONTEXT_BYTES


def _memory(
    shape: Shape, layers: range, gpus: int, total_bytes: int, limits: Limits, *, last: bool
) -> GpuMemory:
    weights = _weights(shape, layers, last=last) + _everywhere(shape)
    compute = compute_bytes(shape, gpus, limits, layers)
    if layers.start == 0:
        projector, working = _projector(shape)
        weights, compute = weights + projector, compute + working
    slot = sum(kv_bytes(shape.layers[i].kv, limits) for i in layers)
    room = _room(total_bytes, limits) - weights - compute
    fit = min(limits.max_num_seqs, room // slot if slot else limits.max_num_seqs)
    whole = fit == limits.max_num_seqs and room >= 0
    kv = slot * limits.max_num_seqs if whole else room
    return GpuMemory(
        total_bytes=total_bytes,
        usable_bytes=weights + compute + kv,
        weights_bytes=weights,
        peak_activation_bytes=compute,
        cuda_graph_bytes=0,
        graphs_inside_bytes=0,
        overhead_bytes=0,
        context_bytes=CONTEXT_BYTES,
        kv_cache_bytes=kv,
        kv_cache_tokens=max(0, fit) * limits.max_model_len,
        sequences=max(0, fit) if room >= 0 else 0,
        margin_bytes=MARGIN_BYTES,
    )


def _weights(shape: Shape, layers: range, *, last: bool) -> int:
    """Of these layers, and of the head on the last GPU."""
    each, head = _parts(shape)
    return round(sum(each[layers.start : layers.stop]) + (head if last else 0))


@lru_cache(maxsize=1024)
def _parts(shape: Shape) -> tuple[tuple[float, ...], float]:
    """Bytes of each layer and of the head: as the file's header says; else the file less embeddings
    and head, by layers.

    A tied table is on the host and once more on the last GPU.
    """
    if parts := shape.in_file:
        return parts.layers, parts.head
    assert shape.file_bytes is not None
    average = shape.file_bytes / shape.parameters
    table = shape.vocab_size * shape.hidden_size
    head = table * max(average, HEAD_BYTES_PER_ELEMENT)
    kept = table * average if not shape.tied else 0.0
    layers = len(shape.layers)
    return ((shape.file_bytes - head - kept) / layers,) * layers, head


def _projector(shape: Shape) -> tuple[int, int]:
    """What sees or hears, all on the first GPU (``clip_ctx`` in tools/mtmd): weights, buffers."""
    return shape.projector_bytes, PROJECTOR_BYTES if shape.projector_bytes else 0


def _everywhere(shape: Shape) -> int:
    """What every GPU has a copy of."""
    return shape.in_file.everywhere if shape.in_file else 0


def kv_bytes(kv: KvCache, limits: Limits) -> int:
    """KV cache of one slot in one layer. A window keeps itself and what is in flight.

    A recurrent state is as large whatever the context, and not of the cache's type.
    """
    cells = padded(limits.max_model_len)
    if kv.window:
        cells = min(cells, padded(kv.window + UBATCH_TOKENS))
    token = kv.heads * kv.elements * KV_ELEMENT_BYTES[limits.kv_cache_dtype]
    return round(token * cells) + kv.state_bytes


def compute_bytes(shape: Shape, gpus: int, limits: Limits, layers: range | None = None) -> int:
    """Buffers of the largest step: the widest moment in float32, and the masks in 16 bits.

    Of a GPU with these ``layers``, or at most where it may have any. With flash attention, so that
    no scores of the whole context are kept.
    """
    hidden, kinds = shape.hidden_size, _kinds(shape, layers)
    moments = [3 * layer.mlp_width + 3 * hidden + layer.query_width for layer in kinds]
    experts = next((layer.experts for layer in kinds if layer.experts), None)
    if experts:
        active, width = experts.active, experts.width
        query = max(layer.query_width for layer in kinds)
        moments.append(active * 3 * width + 3 * hidden + query)
        moments.append(active * (2 * hidden + width) + 3 * hidden)
    windows = {layer.kv.window for layer in kinds}
    masks = sum(
        min(padded(limits.max_model_len), padded(window + UBATCH_TOKENS))
        if window
        else padded(limits.max_model_len)
        for window in windows
    )
    copies, states = 1, 0
    if gpus > 1:
        first = not layers or layers.start == 0
        copies, states = COPIES, HANDED_ON + (TAKEN_IN if first else 0)
    return UBATCH_TOKENS * (4 * (max(moments) + states * hidden) + 2 * masks * copies)


def _kinds(shape: Shape, layers: range | None) -> tuple[Layer, ...]:
    """The different layers; of a GPU with the head alone, as if it had all."""
    numbers = {shape.kind_numbers[layer] for layer in layers or ()}
    return tuple(shape.kinds[number] for number in sorted(numbers)) or shape.kinds


def padded(tokens: int) -> int:
    """A context as it is allocated: rounded up to whole blocks of cells."""
    return -(-tokens // CELLS) * CELLS
