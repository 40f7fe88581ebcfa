"""What one step of a batch takes: a roofline over memory, compute and the links between GPUs.

A step costs each GPU its products (reading weights beside computing), its attention, what the
kernels between products read and write, its launches, and its messages: tensor parallel ranks
sum up the hidden states twice a layer, pipeline stages pass them on once. Efficiencies come from
catalog/links.yaml and the constants below. Each constant names what it was fitted to: "rows" are
the measured engines of tests/data, "kernels" the times of single kernels of vLLM 0.24 on H100 and
H200 SXM (ai-dynamo/aiconfigurator at 095f58a5, systems/data). `benchmarks/planner` prints
predicted against measured.
"""

from __future__ import annotations

from typing import NamedTuple

from rackwright.catalog import GpuType
from rackwright.models import DTYPE_BYTES, Shape
from rackwright.planning.messages import Sent, Wires, messages_s
from rackwright.planning.work import Work, first_alike, work_of
from rackwright.sizing import Split, padded_vocab

MEMORY_EFFICIENCY = 0.84
"""Share of the memory's bandwidth that products reach. Rows of one request: dense models on H100
and H200, TP 1 and 2, agree within 5 %; kernels reach 0.93 beside 5 us a product."""
UNPACKED_EFFICIENCY = 0.74
"""What is left of it where MXFP4 is unpacked into bf16 first. Kernels: gpt-oss on H100 and H200."""
KV_EFFICIENCY = 0.90
"""Share that decoding attention reaches at long contexts. Kernels: 8 KV heads, 1,024 tokens."""
KV_TILE_TOKENS = 96
"""What starting on a sequence costs, in tokens of it. Kernels: 512 against 1,024 tokens."""
COMPUTE_EFFICIENCY = {"bf16": 0.80, "fp16": 0.80, "fp8": 0.65, "int8": 0.65, "fp4": 0.50}
"""Share of the dense peak that products of some hundred tokens reach. Kernels: 256 to 2,048 tokens,
an 8B and a 70B model at TP 1 and 2, within 10 % in bf16. Of int8 and fp4 nothing was measured."""
SUSTAINED = 0.83
"""What is left of that while prompts are read, when the card is at its limit of power. Rows of 32
to 256 requests; kernels of 8,192 tokens have 0.92 in bf16."""
SMOOTHNESS = 4.0
"""Products that read as long as they compute take longer than either: their times are added as a
norm of this order. Kernels: as above, 64 to 512 tokens."""
EXPERT_EFFICIENCY = 0.7
"""What the experts' many small products reach of that. Kernels: 0.8 where tokens are dealt evenly,
0.7 where not."""
EXPERT_IMBALANCE = 1.2
"""How much more the busiest rank reads and computes where ranks hold whole experts. Kernels: two
ranks, a power law of popularity against even ones."""
ATTENTION_EFFICIENCY = 0.68
ATTENTION_TOKENS = 1300
"""Attention of a prompt reaches the first share of the dense peak, were the prompt so much longer
for nothing. Kernels: 256 to 8,192 tokens, within 6 %."""
LAYER_S = 25e-6
"""Launches of one layer, that no GPU is fast enough to hide. Rows of one request."""
EXPERT_LAYER_S = 20e-6
"""What routing adds to a layer with experts. Rows of one request; kernels agree."""
LATENT_LAYER_S = 20e-6
"""What latent attention adds to a layer. Rows of one request."""
STATE_PROMPT_S = 0.9e-3
"""What a step that reads prompts waits in a layer that keeps a state: kernels that are launched one
by one. First tokens of one request: Qwen3.5 9B 1.1 ms, Nemotron Nano 9B 0.9, Qwen3-Next 0.6."""
UNPACKED_LAYER_S = 15e-6
"""What unpacking MXFP4 into bf16 adds to a layer. Kernels: gpt-oss, one token."""
QUANTIZE_S = 2.5e-6
"""Quantizing what goes into one product, where it is computed in 8 bits. Rows of one request."""
HAND_OVER_S = 300e-6
"""The engine's own work when one stage passes a batch on to the next, the token's way back to the
first stage included. Assumed."""
STEP_S = 300e-6
"""Sampling of one step, and what of its scheduling is not hidden. Rows of one request."""
LOGIT_BYTES = 20
"""Read and written of each logit while sampling: 32-bit copies, softmax, choice. Assumed."""
TERA, GIGA = 1e12, 1e9


class Machine(NamedTuple):
    """One kind of GPU, its links, and what the engine is told."""

    gpu: GpuType
    wires: Wires
    kv_cache_dtype: str
    max_num_batched_tokens: int


class Batch(NamedTuple):
    """What one step is given: so many ``tokens`` of sequences ``context`` long, of which the last
    of each of ``samples`` is answered. ``prompts``: whole prompts, that read no KV cache yet.
    They are dealt to so many data parallel ``groups``.
    """

    tokens: int
    samples: int
    context: int
    prompts: bool = False
    groups: int = 1

    @property
    def of_a_group(self) -> Batch:
        """The part of the fullest group, which attention and dense layers are given."""
        if self.groups == 1:
            return self
        tokens, samples = -(-self.tokens // self.groups), -(-self.samples // self.groups)
        return self._replace(tokens=tokens, samples=samples)


def stage_s(shape: Shape, split: Split, stage: int, machine: Machine, batch: Batch) -> float:
    """Seconds that pipeline stage ``stage`` (0-based) works on ``batch``."""
    work = work_of(shape, split, stage, machine.kv_cache_dtype)
    last = stage == split.pipeline - 1
    return (
        _products_s(shape, split, machine.gpu, work, batch, last)
        + _attention_s(machine.gpu, work, batch.of_a_group)
        + _moving_s(shape, machine.gpu, work, batch, last)
        + _launches_s(shape, machine.gpu, work, batch.prompts)
        + messages_s(shape, split, machine.wires.ranks, work, _sent(batch))
    )


def _sent(batch: Batch) -> Sent:
    own = batch.of_a_group.tokens
    return Sent(own, batch.tokens, 0 if batch.prompts else own)


def stages_s(shape: Shape, split: Split, machine: Machine, batch: Batch) -> list[float]:
    """Seconds of every stage. Most do the same work, which is timed once."""
    firsts = first_alike(shape, split, machine.kv_cache_dtype)
    timed = {stage: stage_s(shape, split, stage, machine, batch) for stage in {*firsts}}
    return [timed[stage] for stage in firsts]


def hand_over_s(shape: Shape, split: Split, machine: Machine, tokens: int) -> float:
    """Seconds to pass hidden states and residual of a batch through all stages."""
    link = machine.wires.stages
    if link is None:
        return 0.0
    size = 2 * tokens * shape.hidden_size * DTYPE_BYTES[shape.dtype]
    return (split.pipeline - 1) * (link.send_us(size) * 1e-6 + HAND_OVER_S)


def _products_s(
    shape: Shape, split: Split, gpu: GpuType, work: Work, batch: Batch, last: bool
) -> float:
    """Products of dense layers, and those of experts, which are kernels of their own."""
    own = batch.of_a_group
    head = 2 * shape.head.elements / split.tensor * own.samples if last else 0.0
    uneven = EXPERT_IMBALANCE if split.expert_parallel else 1.0
    touched = 1 - (1 - work.active_share) ** batch.tokens
    reached = _reached_flops(shape, gpu) * (SUSTAINED if batch.prompts else 1)
    read = gpu.memory_bandwidth_gb_per_s * GIGA * MEMORY_EFFICIENCY
    dense = _either(work.read_bytes / read, (own.tokens * work.flops + head) / reached)
    if not work.expert_bytes:
        return dense
    return dense + uneven * _either(
        work.expert_bytes * touched / (read * (UNPACKED_EFFICIENCY if _unpacks(shape, gpu) else 1)),
        batch.tokens * work.expert_flops / (reached * EXPERT_EFFICIENCY),
    )


def _either(memory_s: float, compute_s: float) -> float:
    """Reading and computing at once: the longer of both, and more where they are alike."""
    together = memory_s**SMOOTHNESS + compute_s**SMOOTHNESS
    return float(together ** (1 / SMOOTHNESS))


def _attention_s(gpu: GpuType, work: Work, batch: Batch) -> float:
    """Reading what was kept. What is latent all heads share: many of them compute for longer."""
    peak = gpu.dense_tflops[gpu.half] * TERA * ATTENTION_EFFICIENCY
    if batch.prompts:
        seen = (batch.context + ATTENTION_TOKENS) / 2  # a token sees those before it
        return batch.tokens * work.attention_flops * seen / peak
    read = batch.tokens * sum(
        size * ((batch.context if window is None else min(window, batch.context)) + KV_TILE_TOKENS)
        for window, size in work.kv_bytes
    )
    read += 2 * batch.samples * work.state_bytes  # and written again
    reading_s = read / (gpu.memory_bandwidth_gb_per_s * GIGA * KV_EFFICIENCY)
    return max(reading_s, batch.tokens * work.latent_flops * batch.context / peak)


def _moving_s(shape: Shape, gpu: GpuType, work: Work, batch: Batch, last: bool) -> float:
    """What kernels between products read and write; logits are whole on every rank."""
    own = batch.of_a_group
    moved = own.tokens * work.moved_bytes + batch.tokens * work.expert_moved_bytes
    if last:
        moved += own.samples * padded_vocab(shape) * LOGIT_BYTES
    return moved / (gpu.memory_bandwidth_gb_per_s * GIGA * MEMORY_EFFICIENCY)


def _launches_s(shape: Shape, gpu: GpuType, work: Work, prompts: bool) -> float:
    launches = LAYER_S * work.layers + (STATE_PROMPT_S * work.state_layers if prompts else 0)
    launches += EXPERT_LAYER_S * work.expert_layers + LATENT_LAYER_S * work.latent_layers
    if _unpacks(shape, gpu):
        launches += UNPACKED_LAYER_S * work.expert_layers
    if shape.quantization and shape.quantization.compute in ("fp8", "int8"):
        # into attention and out of it, into the MLP and out of it
        launches += 4 * QUANTIZE_S * work.layers
    return launches


def _computed(shape: Shape, gpu: GpuType) -> str:
    """The dtype that products run in: 16 bits where the GPU lacks the one wanted."""
    wanted = shape.quantization.compute if shape.quantization else gpu.half
    return wanted if wanted in gpu.dense_tflops else gpu.half


def _reached_flops(shape: Shape, gpu: GpuType) -> float:
    peaks = {str(name): peak for name, peak in gpu.dense_tflops.items()}
    name = _computed(shape, gpu)
    return peaks[name] * TERA * COMPUTE_EFFICIENCY[name]


def _unpacks(shape: Shape, gpu: GpuType) -> bool:
    """Whether MXFP4 must be unpacked because the GPU has no arithmetic for it."""
    packed = shape.quantization is not None and shape.quantization.method == "mxfp4"
    return packed and "fp4" not in gpu.dense_tflops
