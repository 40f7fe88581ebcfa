"""Quantized models as they are published: their files hold what the planner makes of their config.

The listing counts elements as they are stored, two of 4 bits in one; of some repositories it
leaves out scales, and single float32 numbers of others. Where it is from:
tests/data/configs/README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from benchmarks.planner.coverage import FACTS, Real, read_line
from rackwright.errors import SpecError
from rackwright.models import Scheme, Shape, Tensor, read_shape

WEIGHTS, SCALES, SINGLE = "weights", "with scales", "with scales and single numbers"
DRAFT_V3 = 13_463_426_304
"""DeepSeek V3's layer for drafts with tables of its own, which engines do not load."""
DRAFT_GLM5 = 9_952_920_576
BIAS = 256
"""Of each sparse layer's router, in float32, which some listings leave out."""
PUBLISHED: dict[str, tuple[str, int]] = {
    "Qwen/Qwen3-8B-FP8": (SINGLE, 0),
    "Qwen/Qwen3-32B-FP8": (SINGLE, 0),
    "Qwen/Qwen3-30B-A3B-FP8": (SINGLE, 0),
    "Qwen/Qwen3-30B-A3B-Instruct-2507-FP8": (SINGLE, 0),
    "Qwen/Qwen3-235B-A22B-FP8": (SINGLE, 0),
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": (SINGLE, 0),
    "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8": (SINGLE, 0),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8": (SINGLE, 0),
    "Qwen/Qwen3-Coder-Next-FP8": (SINGLE, 0),
    "Qwen/Qwen3-VL-8B-Instruct-FP8": (SINGLE, 0),
    "MiniMaxAI/MiniMax-M2.5": (SINGLE, 0),
    "MiniMaxAI/MiniMax-M2.7": (WEIGHTS, 0),
    "mistralai/Devstral-Small-2-24B-Instruct-2512": (SINGLE, 0),
    "RedHatAI/gemma-4-31B-it-FP8-block": (WEIGHTS, 0),
    "RedHatAI/Llama-3.2-3B-Instruct-FP8-dynamic": (SINGLE, 128256 * 3072),  # the tied head again
    "RedHatAI/gemma-4-26B-A4B-it-FP8-Dynamic": (SCALES, 262144 * 2816 - 16_766_720),
    "nvidia/Qwen3-8B-FP8": (WEIGHTS, 0),
    "nvidia/Llama-3.1-70B-Instruct-FP8": (WEIGHTS, 0),
    "nvidia/Qwen3-14B-NVFP4": (WEIGHTS, 0),
    "nvidia/Qwen3-235B-A22B-NVFP4": (SCALES, 0),
    "nvidia/Qwen3.5-122B-A10B-NVFP4": (WEIGHTS, 0),
    "nvidia/Qwen3.6-27B-NVFP4": (WEIGHTS, 0),
    "nvidia/Qwen3.6-35B-A3B-NVFP4": (WEIGHTS, 0),
    "nvidia/Qwen3.8-27B-NVFP4": (WEIGHTS, 0),
    "nvidia/MiniMax-M2.5-NVFP4": (WEIGHTS, -62 * BIAS),
    "nvidia/MiniMax-M2.7-NVFP4": (WEIGHTS, -62 * BIAS),
    "nvidia/GLM-5.1-NVFP4": (WEIGHTS, -75 * BIAS),
    "nvidia/GLM-5-NVFP4": (SCALES, DRAFT_GLM5),
    "nvidia/DeepSeek-V3.1-NVFP4": (SCALES, DRAFT_V3),
    "deepseek-ai/DeepSeek-R1": (WEIGHTS, DRAFT_V3),
}
"""What is counted, and how many elements the files have beyond that."""


class Line(NamedTuple):
    """One of the facts, and its listing's count."""

    real: Real
    published: int | None


@cache
def lines() -> tuple[Line, ...]:
    """Those that are quantized."""
    facts = [json.loads(line) for line in FACTS.read_text().splitlines()]
    read = [Line(read_line(fact), fact.get("published")) for fact in facts]
    return tuple(line for line in read if _is_quantized(line.real.config))


def _is_quantized(config: dict[str, Any]) -> bool:
    inner = config.get("text_config") or {}
    return bool(config.get("quantization_config") or inner.get("quantization_config"))


def _products(shape: Shape) -> Iterator[tuple[Tensor, Scheme | None]]:
    for layer, schemes in zip(shape.layers, shape.schemes, strict=True):
        pairs = zip(layer.tensors, schemes, strict=True)
        yield from (pair for pair in pairs if pair[0].stored and not pair[0].if_quantized)
    yield from ((tensor, None) for tensor in (shape.embedding, shape.norm, *shape.beside))
    if not shape.tied:
        yield shape.head, shape.head_scheme


def _stored(tensor: Tensor, scheme: Scheme | None, counted: str) -> int:
    """Elements of its files: weights packed into bytes, scales, single numbers."""
    if scheme is None:
        return tensor.elements
    found = tensor.elements if scheme.bits == 8 else tensor.elements // 2
    if counted in (SCALES, SINGLE) and scheme.group:
        groups = -(-tensor.columns // scheme.group) * -(-tensor.rows // scheme.group_rows)
        found += groups * tensor.copies
    if counted in (SCALES, SINGLE) and scheme.row_bytes:
        found += tensor.rows * tensor.copies
    if counted == SINGLE:
        found += min(2, scheme.tensor_bytes // 4) * tensor.copies
    return found


@pytest.mark.parametrize("repo", PUBLISHED)
def test_files_have_as_many_elements(repo: str) -> None:
    counted, beyond = PUBLISHED[repo]
    (line,) = (each for each in lines() if each.real.repo == repo)
    shape = read_shape(line.real.config)
    held = sum(_stored(tensor, scheme, counted) for tensor, scheme in _products(shape))
    if shape.text_only:
        held += sum(count for name, count in line.real.parts.items() if name != "text")
    assert line.published is not None and line.published - held == beyond


def test_every_quantized_model_of_a_known_architecture_is_read() -> None:
    """Save one in bitsandbytes, which the engine does not serve."""
    refused = set()
    for line in lines():
        plain = {key: line.real.config[key] for key in line.real.config}
        plain.pop("quantization_config", None)
        if _reads(plain) and not _reads(line.real.config):
            refused.add(line.real.repo)
    assert refused == {"unsloth/mistral-7b-v0.3-bnb-4bit"}
    assert len(lines()) > 100


def _reads(config: dict[str, Any]) -> bool:
    try:
        read_shape(config)
    except SpecError:
        return False
    return True
