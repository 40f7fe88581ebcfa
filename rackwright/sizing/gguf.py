"""Bytes a GPU of a GGUF file, as llama.cpp deals it out. Ollama runs llama.cpp's server too.

Weights are the file's own bytes; the KV cache is allocated whole at the start, for every slot. The
input embeddings stay on the host; layers and the output head are dealt over the GPUs in order
(``load_tensors`` in src/llama-model.cpp). Source: llama.cpp b11434. ``kv_bytes`` and
``compute_bytes`` equal what a server of b10434 reported on a CPU, for seven shapes: dense ones and
mixtures of experts, 1 and 4 slots, f16 and q8_0 (tests/unit/sizing/test_gguf_sizes.py).
"""

from __future__ import annotations

from functools import lru_cache

from rackwright.models import KvCache, Shape
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


def unjudged(shape: Shape) -> str:
    """Why such a model cannot be computed; empty where it can."""
    if shape.activation_bytes is not None:
        return "figures given by hand are not of llama.cpp, give its config"
    if any(layer.kv.latent for layer in shape.kinds):
        return "the KV cache of latent attention (MLA) in llama.cpp is not judged yet"
    if any(layer.kv.state_bytes for layer in shape.kinds):
        return "linear attention in llama.cpp is not judged yet"
    return ""


@lru_cache(maxsize=65536)
def gguf_memory(shape: Shape, split: Split, total_bytes: int, limits: Limits) -> GpuMemory:
    """Memory of the fullest GPU. ``split.pipeline`` is the number of GPUs; slots come as one."""
    gpus = [_gpu(shape, split.pipeline, gpu, total_bytes, limits) for gpu in range(split.pipeline)]
    return min(gpus, key=lambda memory: (memory.sequences, memory.free_bytes))


def _gpu(shape: Shape, gpus: int, gpu: int, total_bytes: int, limits: Limits) -> GpuMemory:
    layers = dealt_layers(len(shape.layers), gpus)[gpu]
    weights = _weights(shape, len(layers), last=gpu == gpus - 1)
    compute = compute_bytes(shape, gpus, limits)
    slot = sum(kv_bytes(shape.layers[i].kv, limits) for i in layers)
    share = int(total_bytes * limits.gpu_memory_utilization)
    room = min(share, total_bytes - MARGIN_BYTES) - CONTEXT_BYTES - weights - compute
    fit = min(limits.max_num_seqs, room // slot if slot else limits.max_num_seqs)
    whole = fit == limits.max_num_seqs
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
        sequences=max(0, fit),
        margin_bytes=MARGIN_BYTES,
    )


def dealt_layers(layers: int, gpus: int) -> list[range]:
    """The layers of each GPU: equal shares of the layers and the head, the head on the last."""
    items = layers + 1
    starts = [-(-items * gpu // gpus) for gpu in range(gpus)]
    ends = [*starts[1:], layers]
    return [range(start, min(end, layers)) for start, end in zip(starts, ends, strict=True)]


def _weights(shape: Shape, layers: int, *, last: bool) -> int:
    """The file less its embeddings and head, by layers; the head on the last GPU.

    A tied table is on the host and once more on the last GPU.
    """
    assert shape.file_bytes is not None
    average = shape.file_bytes / shape.parameters
    table = shape.vocab_size * shape.hidden_size
    head = table * max(average, HEAD_BYTES_PER_ELEMENT)
    kept = table * average if not shape.tied else 0.0
    each = (shape.file_bytes - head - kept) / len(shape.layers)
    return round(each * layers + (head if last else 0))


def kv_bytes(kv: KvCache, limits: Limits) -> int:
    """KV cache of one slot in one layer. A window keeps itself and what is in flight."""
    cells = padded(limits.max_model_len)
    if kv.window:
        cells = min(cells, padded(kv.window + UBATCH_TOKENS))
    return round(kv.heads * kv.elements * cells * KV_ELEMENT_BYTES[limits.kv_cache_dtype])


def compute_bytes(shape: Shape, gpus: int, limits: Limits) -> int:
    """Buffers of the largest step: the widest moment in float32, and the masks in 16 bits.

    With flash attention, so that no scores of the whole context are kept.
    """
    hidden = shape.hidden_size
    moments = [3 * layer.mlp_width + 3 * hidden + layer.query_width for layer in shape.kinds]
    if shape.experts:
        active, width = shape.experts.active, shape.experts.width
        query = max(layer.query_width for layer in shape.kinds)
        moments.append(active * 3 * width + 3 * hidden + query)
        moments.append(active * (2 * hidden + width) + 3 * hidden)
    windows = {layer.kv.window for layer in shape.kinds}
    masks = sum(
        min(padded(limits.max_model_len), padded(window + UBATCH_TOKENS))
        if window
        else padded(limits.max_model_len)
        for window in windows
    )
    copies = COPIES if gpus > 1 else 1
    return UBATCH_TOKENS * (4 * max(moments) + 2 * masks * copies)


def padded(tokens: int) -> int:
    """A context as it is allocated: rounded up to whole blocks of cells."""
    return -(-tokens // CELLS) * CELLS
