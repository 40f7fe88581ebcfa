"""Predicted speed of a layout under a load: how steps follow one another (``step`` times one).

Prompts are read in steps of ``max_num_batched_tokens``; then every request gets a token a step.
While the GPUs work, the engine's one API server hands the tokens of the step before to their
streams: under many requests that can take longer than the step.
"""

from __future__ import annotations

from typing import NamedTuple

from rackwright.models import Shape
from rackwright.plan import Speed
from rackwright.planning.messages import Wires
from rackwright.planning.step import STEP_S, Batch, Machine, hand_over_s, stages_s
from rackwright.sizing import Split

__all__ = ["Load", "Machine", "Wires", "predict", "prompt_s"]

STREAM_S = 60e-6
"""The API server's own time for one token of one stream: detokenizing, JSON, sending. One process
serves a replica however many GPUs it has. Rows: 8B at TP 2 on H100 with 256 requests, where a step
takes 15 ms and its parts on the GPUs 9; the server was not timed by itself. Rows with more work for
their GPUs, or without the server (``in_process``), show no such time."""
PIPELINE_EFFICIENCY = 0.85
"""Share of its time that a stage works while several batches are under way. Assumed."""


class Load(NamedTuple):
    """Requests that arrive together: how many, and the tokens of prompt and answer.

    ``streamed``: asked through the API server; else the engine runs in the asking process.
    """

    concurrency: int = 1
    input_tokens: int = 512
    output_tokens: int = 128
    streamed: bool = True


def predict(shape: Shape, split: Split, machine: Machine, load: Load) -> Speed:
    """Speed of one replica under ``load``. Prefill delays the answers already begun."""
    context = load.input_tokens + load.output_tokens // 2
    step = _decode_s(shape, split, machine, load.concurrency, context)
    if load.streamed:
        step = max(step, load.concurrency * STREAM_S)
    prompt = load.concurrency * load.input_tokens
    groups = min(split.data, load.concurrency)
    chunk = min(prompt, groups * machine.max_num_batched_tokens)
    all_prefilled = _prefill_s(shape, split, machine, prompt, load.input_tokens)
    # The median request's prompt; nobody answers before the whole of its own is read.
    first = all_prefilled * (prompt + max(chunk, load.input_tokens)) / (2 * prompt)
    token = step + (all_prefilled - first) / load.output_tokens
    total = load.concurrency * load.output_tokens
    return Speed(
        concurrency=load.concurrency,
        tpot_ms=round(token * 1e3, 3),
        ttft_ms=round((first + step) * 1e3, 1),
        out_tok_s=round(total / (first + load.output_tokens * token), 1),
    )


def prompt_s(shape: Shape, split: Split, machine: Machine, tokens: int) -> float:
    """Seconds until a prompt of so many tokens is read that has the replica to itself."""
    return _prefill_s(shape, split, machine, tokens, tokens)


def _decode_s(shape: Shape, split: Split, machine: Machine, requests: int, context: int) -> float:
    """Seconds of a step that gives each of ``requests`` its next token."""
    each = -(-requests // split.pipeline)
    batch = Batch(each, each, context, groups=min(split.data, each))
    stages = stages_s(shape, split, machine, batch)
    once = sum(stages) + hand_over_s(shape, split, machine, each)
    if split.pipeline > 1 and requests > 1:
        once = max(once, split.pipeline * max(stages)) / PIPELINE_EFFICIENCY
    return once + STEP_S


def _prefill_s(shape: Shape, split: Split, machine: Machine, tokens: int, prompt: int) -> float:
    """Seconds to read so many tokens of prompts, a step's worth at a time.

    Each data parallel group has a step's worth of its own; a single prompt is read by one of them.
    """
    groups = min(split.data, max(1, tokens // prompt))
    chunk = min(tokens, groups * machine.max_num_batched_tokens)
    batch = Batch(chunk, max(1, chunk // prompt), prompt, prompts=True, groups=groups)
    stages = stages_s(shape, split, machine, batch)
    steps = tokens / chunk
    once = sum(stages) + hand_over_s(shape, split, machine, chunk)
    return once + (steps - 1) * max(stages) / (PIPELINE_EFFICIENCY if split.pipeline > 1 else 1)
