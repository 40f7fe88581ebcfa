"""Under what load a layout is judged, and how fast it is then.

A target states its load, and so does ``concurrency``. Where neither does, a layout is judged
full: with as many typical requests as each of its replicas can hold at once.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import takewhile
from typing import NamedTuple

from rackwright.engines import ENGINES
from rackwright.models import Shape
from rackwright.plan import Speed
from rackwright.planning.speed import Load, Machine, predict, prompt_s
from rackwright.sizing import Limits, Split
from rackwright.spec import ServiceSpec, Target

TYPICAL = Load(1, 512, 128)
"""Tokens of prompt and answer that speeds are predicted for, as in `vllm bench serve`'s default
random data set scaled to chat; the measured rows of tests/data were taken with the same."""
RUNGS = (64, 256)
"""Requests at once between one and a full replica: `verify` compares what it sees with the next
more of these, for the requests of others may be longer than typical ones."""


class Speeds(NamedTuple):
    """Of one replica: alone, under a few requests, and under its part of the load.

    ``asked`` is how many of the replicas that part gives work to; ``longest_prompt_s`` what the
    longest prompt takes until its first token, alone.
    """

    alone: Speed
    between: tuple[Speed, ...]
    busy: Speed
    asked: int
    longest_prompt_s: float


def speeds(
    shape: Shape, split: Split, machine: Machine, service: ServiceSpec, limits: Limits, count: int
) -> Speeds:
    """How fast each of ``count`` replicas of a layout is."""
    request = _request(service)
    replicas = max(1, count)
    expected = stated(service)
    if expected:
        load = -(-expected // replicas)
        asked = min(count, -(-expected // load))
    else:
        load, asked = _held(shape, split, machine, service, limits, request), count
    rungs = takewhile(lambda rung: rung < load, RUNGS)
    return Speeds(
        _predict(shape, split, machine, request),
        tuple(
            _predict(shape, split, machine, request._replace(concurrency=rung)) for rung in rungs
        ),
        _predict(shape, split, machine, request._replace(concurrency=load)),
        asked,
        _prompt_s(shape, split, machine, limits.max_model_len),
    )


def stated(service: ServiceSpec) -> int | None:
    """Requests at once on a server (or on the servers of one replica), where the service says."""
    goal = service.objective
    return goal.sequences if isinstance(goal, Target) else service.concurrency


def _request(service: ServiceSpec) -> Load:
    """One request: a typical one, as far as it fits the longest, or the target's."""
    output = min(TYPICAL.output_tokens, max(1, service.max_model_len // 4))
    prompt = max(1, min(TYPICAL.input_tokens, service.max_model_len - output))
    if isinstance(service.objective, Target):
        prompt = max(1, service.objective.tokens - output)
    return Load(1, prompt, output)


def _held(
    shape: Shape,
    split: Split,
    machine: Machine,
    service: ServiceSpec,
    limits: Limits,
    request: Load,
) -> int:
    """How many such requests a replica holds at once: its KV cache, ``max_num_seqs`` a group."""
    asked = limits._replace(max_model_len=request.input_tokens + request.output_tokens)
    memory = ENGINES[service.engine].memory(shape, split, machine.gpu.memory_bytes, asked)
    return max(1, min(limits.max_num_seqs * split.data, memory.sequences))


@lru_cache(maxsize=65536)
def _predict(shape: Shape, split: Split, machine: Machine, load: Load) -> Speed:
    return predict(shape, split, machine, load)


@lru_cache(maxsize=65536)
def _prompt_s(shape: Shape, split: Split, machine: Machine, tokens: int) -> float:
    return prompt_s(shape, split, machine, tokens)
