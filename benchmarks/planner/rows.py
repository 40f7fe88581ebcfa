"""Measured rows of tests/data, each with the prediction for the same layout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rackwright.architectures import NAMED, Shape, read_shape
from rackwright.catalog import Interconnect, gpu_types, link
from rackwright.sizing import GpuMemory, Limits, Split, gpu_memory
from rackwright.speed import Load, Machine, Speed, Wires, predict

DATA = Path(__file__).parents[2] / "tests" / "data"
GPU = gpu_types()["h200-sxm-141gb"]
PROMPT, ANSWER = 512, 128
"""Tokens of every measured request."""
SERVED = {"max_model_len": 8192, "max_num_seqs": 1024, "max_num_batched_tokens": 8192}
"""What the engine chose for itself where a row does not say."""
SHORT_NAMES = {"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False}
"""What shapes that are not whole config.json files leave out."""


class Row(NamedTuple):
    """One engine that was measured: where the figures are, what ran, and what was planned."""

    source: str
    run: dict[str, Any]
    shape: Shape
    split: Split
    limits: Limits

    @property
    def name(self) -> str:
        """The layout in words, with what differs from the engine's own choices."""
        run, limits = self.run, self.limits
        parts = [run["model"], f"TP {self.split.tensor}"]
        parts += [f"PP {self.split.pipeline}"] if self.split.pipeline > 1 else []
        parts += ["EP"] if self.split.expert_parallel else []
        parts += [f"{run['replicas']} replicas"] if run.get("replicas", 1) > 1 else []
        parts += [str(run["quantization"])] if run.get("quantization") else []
        parts += ["fp8 KV"] if limits.kv_cache_dtype == "fp8" else []
        parts += ["eager"] if limits.enforce_eager else []
        given = (limits.max_model_len, limits.max_num_seqs, limits.max_num_batched_tokens)
        if given != tuple(SERVED.values()):
            parts.append("/".join(map(str, given)))
        return " ".join(parts)

    @property
    def memory(self) -> GpuMemory:
        """The predicted memory of one GPU."""
        return gpu_memory(self.shape, self.split, GPU.memory_bytes, self.limits)

    def speed(self, concurrency: int) -> Speed:
        """The predicted speed of one replica under its part of so many requests."""
        joined: Interconnect = "nvswitch"
        wires = Wires(
            link(joined, GPU) if self.split.tensor > 1 else None,
            link(joined, GPU) if self.split.pipeline > 1 else None,
        )
        machine = Machine(
            GPU, wires, self.limits.kv_cache_dtype, self.limits.max_num_batched_tokens
        )
        each = -(-concurrency // self.run.get("replicas", 1))
        return predict(self.shape, self.split, machine, Load(each, PROMPT, ANSWER))


@cache
def measured_rows() -> tuple[Row, ...]:
    """Every measured engine of tests/data."""
    files = sorted([*DATA.glob("*/engine.json"), *DATA.glob("*/measured.json")])
    return tuple(row for path in files for row in _rows(path))


def _rows(path: Path) -> Iterator[Row]:
    document = json.loads(path.read_text(encoding="utf-8"))
    for run in document["runs"]:
        if "error" in run:
            continue
        config = {**SHORT_NAMES, **document["shapes"][run["model"]]}
        config.setdefault("max_position_embeddings", SERVED["max_model_len"])
        shape = read_shape(config)
        if run.get("quantization") == "fp8" and shape.quantization is None:
            shape = shape.with_quantization(NAMED["fp8"])
        split = Split(
            run["tensor_parallel_size"],
            run["pipeline_parallel_size"],
            bool(run.get("expert_parallel")),
        )
        yield Row(path.parent.name, run, shape, split, _limits(run))


def _limits(run: dict[str, Any]) -> Limits:
    return Limits(
        run.get("gpu_memory_utilization", 0.90),
        run.get("max_num_seqs", SERVED["max_num_seqs"]),
        run.get("max_num_batched_tokens", SERVED["max_num_batched_tokens"]),
        run.get("max_model_len", SERVED["max_model_len"]),
        "fp8" if str(run.get("kv_cache_dtype") or "auto").startswith("fp8") else "auto",
        bool(run.get("enforce_eager")),
    )
