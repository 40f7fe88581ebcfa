"""What an engine needs beside weights and KV cache: activations, CUDA graphs, its own overhead.

Constants are fitted to vLLM's own accounting on H200, tests/data/h200x2/engine.json and
tests/data/h200x1/measured.json, unless they name another source; `benchmarks/planner` prints
predicted against measured for every row.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil
from typing import NamedTuple

from rackwright.models import DTYPE_BYTES, Shape
from rackwright.sizing.kv_cache import BLOCK_TOKENS
from rackwright.sizing.split import GIB, Limits, Split
from rackwright.sizing.vision import seeing
from rackwright.sizing.weights import padded_vocab, tensor_bytes

# What the process holds outside torch's allocator: 0.22 to 0.24 GiB measured on one GPU. With
# several, what NCCL needs is in use before the engine takes its first look: 0.07 remain.
OVERHEAD_BYTES = {False: round(0.22 * GIB), True: round(0.07 * GIB)}
# The CUDA context, in use before the engine takes its first look.
CONTEXT_BYTES = round(0.51 * GIB)
# Bytes a logit while sampling is profiled: as mixtures show in the newer model runner (float32, and
# part of the 16 bits before it); a sort beside them in the older one.
LOGIT_BYTES = {True: 5, False: 14}
# Hidden states beside the widest moment of a layer (llama3-8b with 16,384 tokens), beside the
# sampler, and beside the first kernel of the model: with quantization made online half a row more,
# with several ranks half a row less.
LAYER_ROWS, SAMPLER_ROWS, FIRST_ROWS = 3.72, 2.0, 2.0
# Of a graph's attention, partial results are kept in float32 for so many splits
# (flash_attn_max_num_splits_for_cuda_graph in vllm/config/attention.py, 0.26) and for the largest
# batch that is captured.
GRAPH_SPLITS, GRAPH_TOKENS = 32, 512
# The rest of CUDA graphs, by model runner: a base and a part a layer.
GRAPH_BASE_BYTES = {True: round(0.37 * GIB), False: round(0.30 * GIB)}
GRAPH_BYTES_PER_LAYER = {True: round(0.01125 * GIB), False: round(0.0035 * GIB)}
ESTIMATE_BASE_BYTES = round(0.22 * GIB)
# Tokens of context that latent attention unfolds at once (determine_chunked_prefill_workspace_size
# in vllm/model_executor/layers/attention/mla_attention.py, 0.26).
UNFOLDED_TOKENS = 64 * 1024
# Latent attention that an indexer points where to look unfolds nothing as the engine profiles
# itself, but keeps this much beside weights, context and activations: DeepSeek V3.2 of five layers
# on one H100, 0.32, its kernels those of DeepGEMM. What it is of was not found.
INDEXED_BYTES = 2 * GIB


class Graphs(NamedTuple):
    """CUDA graphs of one GPU: what they take, and how much of it the engine takes off its share.

    The older model runner's estimate is left on, because its graphs are hard to foresee; it is too
    low where attention is latent.
    """

    size_bytes: int
    inside_bytes: int


@lru_cache(maxsize=65536)
def activation_bytes(shape: Shape, split: Split, limits: Limits, stage: int) -> int:
    """Peak activations of one GPU of a pipeline stage in the largest step.

    The buffers of the experts stay once they are made; beside them stands the widest moment of a
    layer, or on the last stage the sampler. On the first stage a cold start copies the embedding
    table while its kernel is tuned. Images are encoded before the text model runs; what is made of
    them stays.
    """
    if shape.activation_bytes is not None:
        return shape.activation_bytes
    sees = seeing(shape, split, limits, stage)
    peak = max(_of_text(shape, split, limits, stage), sees.peak_bytes)
    return peak + sees.kept_bytes + sees.standing_bytes


def _of_text(shape: Shape, split: Split, limits: Limits, stage: int) -> int:
    row = limits.max_num_batched_tokens * shape.hidden_size * DTYPE_BYTES[shape.dtype]
    moments = [_widest_layer(shape, split, limits) + LAYER_ROWS * row]
    latent = any(layer.kv.latent for layer in shape.kinds)
    indexed = latent and any(layer.kv.beside_bytes for layer in shape.kinds)
    if latent and not indexed:
        moments.append(_unfolding(shape, split, limits) + SAMPLER_ROWS * row)
    if stage == split.pipeline - 1 and shape.answers != "vectors":
        made = min(limits.max_num_seqs * (shape.canvas or 1), limits.max_num_batched_tokens)
        logits = made * padded_vocab(shape) * LOGIT_BYTES[shape.second_runner]
        moments.append(logits + SAMPLER_ROWS * row)
    standing = _expert_buffers(shape, split, limits) + _joining(shape, split, limits)
    steady = max(moments) + standing + (INDEXED_BYTES if indexed else 0)
    if stage:
        return round(steady)
    rows = FIRST_ROWS - (0.5 if split.tensor > 1 else 0)
    rows += 0.5 if shape.quantization and shape.quantization.online else 0
    return round(max(steady, tensor_bytes(shape, shape.embedding, split) + rows * row))


def standing_bytes(shape: Shape, split: Split, limits: Limits, stage: int) -> int:
    """What the process keeps of a GPU beside weights and activations, NCCL's included.

    On the last stage the newer model runner counts for each sequence how often it has every token,
    for penalties, and marks those of its prompt (PenaltiesState in
    vllm/v1/worker/gpu/sample/penalties.py, 0.32).
    """
    kept = OVERHEAD_BYTES[split.gpus > 1]
    samples = stage == split.pipeline - 1 and shape.answers != "vectors"
    if not (samples and shape.second_runner):
        return kept
    return kept + limits.max_num_seqs * 4 * (shape.vocab_size + ceil(shape.vocab_size / 32))


def _widest_layer(shape: Shape, split: Split, limits: Limits) -> int:
    """A gated MLP's two halves and their product, for every token."""
    width = max(layer.mlp_width for layer in shape.kinds)
    size = DTYPE_BYTES[shape.dtype] * limits.max_num_batched_tokens
    return 3 * (width // split.tensor) * size


def _expert_buffers(shape: Shape, split: Split, limits: Limits) -> int:
    """Workspaces of the fused experts: both products of every token's experts.

    Of data parallel groups every rank is given the tokens of all, once as they come and once as
    they go back. Sources: workspace_shapes in
    vllm/model_executor/layers/fused_moe/experts/triton_moe.py, 0.26; prepare and finalize in
    fused_moe/prepare_finalize/naive_dp_ep.py, 0.32.
    """
    experts = shape.experts
    if experts is None:
        return 0
    width = experts.width // (1 if split.expert_parallel else split.expert_ranks)
    hidden, size = shape.hidden_size, DTYPE_BYTES[shape.dtype]
    each = experts.active * (max(width, hidden) + max(2 * width, hidden))
    gathered = 2 * hidden if split.data > 1 else 0
    return split.data * limits.max_num_batched_tokens * (each + gathered) * size


def _unfolding(shape: Shape, split: Split, limits: Limits) -> int:
    """Latent attention: keys and values of every head, of a chunk of context and of the step."""
    layer = shape.layers[0]
    heads = shape.heads / split.tensor
    head = layer.query_width / shape.heads
    context = _unfolded_tokens(limits) * layer.unfolded_width / split.tensor
    step = limits.max_num_batched_tokens * (
        2 * heads * head + 1.5 * layer.unfolded_width / split.tensor
    )
    return round((context + step) * DTYPE_BYTES[shape.dtype])


def _unfolded_tokens(limits: Limits) -> int:
    kept = min(
        max(8 * limits.max_model_len, 4 * limits.max_num_seqs * BLOCK_TOKENS), UNFOLDED_TOKENS
    )
    return max(kept, limits.max_num_seqs * BLOCK_TOKENS)


def _joining(shape: Shape, split: Split, limits: Limits) -> int:
    """Where a request's tokens are dealt over ranks: what they gather of one another.

    Queries of a step and what comes of them, and the context that a prompt looks back at, whole
    and this rank's part. Sources: get_dcp_workspace_max_num_tokens and MLADCPManager in
    vllm/v1/attention/ops/dcp.py, MLACommonMetadataBuilder in
    vllm/model_executor/layers/attention/mla_attention.py, 0.32.
    """
    if split.context == 1:
        return 0
    steps = min(limits.max_num_batched_tokens, max(limits.max_num_seqs, GRAPH_TOKENS))
    heads = shape.heads * split.context // split.tensor
    rows = 2 * steps * heads + _unfolded_tokens(limits) * (1 + 1 / split.context)
    wide = max(layer.kv.elements for layer in shape.kinds) * DTYPE_BYTES[shape.dtype]
    return round(rows * wide)


def graph_layers(shape: Shape, layers: int) -> int:
    """How many of so many layers are captured: of what transcribes only those that write.

    Two of the plan's layers are one of those (``FULL_DECODE_ONLY`` of models with an encoder and
    a decoder in vllm/config/vllm.py, 0.32: a step with sound in it runs without graphs).
    """
    if shape.answers != "transcripts":
        return layers
    return sum(layer.kv.kind == "fixed" for layer in shape.layers)


def graphs(shape: Shape, split: Split, layers: int, limits: Limits) -> Graphs:
    """CUDA graphs of one GPU that holds so many layers."""
    if limits.enforce_eager:
        return Graphs(0, 0)
    newer = shape.second_runner
    tokens = min(GRAPH_TOKENS, limits.max_num_seqs)
    latent = any(layer.kv.latent for layer in shape.kinds)
    # Dealt over ranks, the heads of all of them look at each rank's tokens.
    width = max(layer.output_width for layer in shape.kinds) * split.context // split.tensor
    partial = GRAPH_SPLITS * tokens * width * 4
    size = GRAPH_BASE_BYTES[newer] + layers * GRAPH_BYTES_PER_LAYER[newer]
    if newer:
        return Graphs(size + partial, 0)
    estimate = ESTIMATE_BASE_BYTES + layers * GRAPH_BYTES_PER_LAYER[newer] + partial
    return Graphs(max(estimate, size + partial * (2 if latent else 1)), estimate)
