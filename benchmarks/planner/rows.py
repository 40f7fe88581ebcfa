"""Measured rows of tests/data, each with the prediction for the same layout.

tests/data/README.md says what a file of rows holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rackwright.catalog import GpuType, Link, find_gpu, link, model_entries
from rackwright.models import NAMED, Shape, read_shape
from rackwright.models.spec import ModelSpec, seeing
from rackwright.models.tasks import pooled
from rackwright.plan import Speed
from rackwright.planning.speed import Load, Machine, Wires, predict
from rackwright.sizing import GIB, GpuMemory, Limits, Split, gpu_memory

DATA = Path(__file__).parents[2] / "tests" / "data"
PROMPT, ANSWER = 512, 128
"""Tokens of every measured request."""
SERVED = {"max_model_len": 8192, "max_num_seqs": 1024, "max_num_batched_tokens": 8192}
"""What the engine chose for itself where a row does not say."""
SHORT_NAMES = {"architectures": ["LlamaForCausalLM"], "tie_word_embeddings": False}
"""What shapes that are not whole config.json files leave out."""
CACHE = ("kv_cache_bytes", "kv_cache_tokens")
FIGURES = ("tpot_ms", "out_tok_s")
"""Figures of a load that predictions must meet; the first token's time depends on how they come."""


def bar(concurrency: int) -> float:
    """By how much a prediction may be wrong, as a share of what was measured."""
    return 0.15 if concurrency <= 64 else 0.25


class Row(NamedTuple):
    """One engine that was measured: where the figures are, what ran, and what was planned.

    ``told`` is what its file says of all its runs.
    """

    source: str
    told: dict[str, Any]
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
        parts += [f"DP {self.split.data}"] if self.split.data > 1 else []
        parts += [f"DCP {self.split.context}"] if self.split.context > 1 else []
        parts += [f"{self.replicas} replicas"] if self.replicas > 1 else []
        parts += [str(run["quantization"])] if run.get("quantization") else []
        parts += ["fp8 KV"] if limits.kv_cache_dtype == "fp8" else []
        parts += [f"{run['images']} images"] if run.get("images") else []
        parts += ["eager"] if limits.enforce_eager else []
        given = (limits.max_model_len, limits.max_num_seqs, limits.max_num_batched_tokens)
        if given != tuple(SERVED.values()):
            parts.append("/".join(map(str, given)))
        return " ".join(parts)

    @property
    def gpu(self) -> GpuType:
        """The kind of GPUs that it ran on. Raises ValueError where the file names none."""
        name = self._said("gpu")
        if (gpu := find_gpu(str(name))) is None:
            raise ValueError(f"tests/data/{self.source}: gpu must be a GPU type (got {name!r})")
        return gpu

    @property
    def engine(self) -> str:
        """The engine and its version, as ``vLLM 0.32.0``."""
        return str(self._said("engine")).partition(",")[0]

    @property
    def replicas(self) -> int:
        """How many of them ran, and shared the requests."""
        return int(self.run.get("replicas", 1))

    @property
    def loads(self) -> list[dict[str, Any]]:
        """What was measured at each number of requests."""
        return self.run.get("load") or []

    @property
    def memory(self) -> GpuMemory:
        """The predicted memory of one GPU; less where the engine reserved some that it is told not
        to where Rackwright deploys it.
        """
        memory = gpu_memory(self.shape, self.split, self.gpu.memory_bytes, self.limits)
        if not memory.has_cache:
            return memory
        share = 1 - self.run.get("graphs_estimated_gib", 0) * GIB / memory.kv_cache_bytes
        cache = {key: int(getattr(memory, key) * share) for key in CACHE}
        return memory.model_copy(update=cache)

    def untrusted(self, load: dict[str, Any]) -> str:
        """Why a load is no measure of the model; empty where it is."""
        where = (load, self.run, self.told)
        return next((str(each["untrusted"]) for each in where if each.get("untrusted")), "")

    def speed(self, concurrency: int) -> Speed:
        """The predicted speed of one replica under its part of so many requests."""
        wires = Wires(
            self._link() if self.split.tensor > 1 else None,
            self._link() if self.split.pipeline > 1 else None,
        )
        machine = Machine(
            self.gpu, wires, self.limits.kv_cache_dtype, self.limits.max_num_batched_tokens
        )
        each = -(-concurrency // self.replicas)
        load = Load(each, PROMPT, ANSWER, streamed=not self._said("in_process"))
        return predict(self.shape, self.split, machine, load)

    def predicted(self, concurrency: int) -> dict[str, float]:
        """The figures of a load, of all replicas, as the rows have them."""
        speed = self.speed(concurrency)
        busy = min(self.replicas, concurrency)
        return speed.model_dump() | {"out_tok_s": speed.out_tok_s * busy}

    def errors(self, load: dict[str, Any]) -> dict[str, float]:
        """How wrong the prediction of each figure is, as a share of what was measured."""
        found = self.predicted(load["concurrency"])
        return {key: found[key] / load[key] - 1 for key in FIGURES if key in load}

    def _said(self, key: str) -> Any:
        """What the run says, or else its file of all its runs."""
        return self.run.get(key, self.told.get(key))

    def _link(self) -> Link:
        return link(self._said("interconnect"), self.gpu)


@cache
def measured_rows() -> tuple[Row, ...]:
    """Every measured engine of tests/data."""
    files = sorted([*DATA.glob("*/engine.json"), *DATA.glob("*/measured*.json")])
    return tuple(row for path in files for row in _rows(path))


def _rows(path: Path) -> Iterator[Row]:
    document = json.loads(path.read_text(encoding="utf-8"))
    told = {key: value for key, value in document.items() if key not in ("runs", "shapes")}
    for run in document["runs"]:
        if "error" in run:
            continue
        shape = _shape(run["model"], document.get("shapes", {}))
        if run.get("quantization") == "fp8" and shape.quantization is None:
            shape = shape.with_quantization(NAMED["fp8"])
        shape = pooled(shape) if run.get("pooled") else shape
        shape = replace(shape, second_runner=run.get("model_runner") != 1)
        shape = seeing(shape, run.get("images", 0))
        split = Split(
            run["tensor_parallel_size"],
            run["pipeline_parallel_size"],
            bool(run.get("expert_parallel")),
            run.get("data_parallel", 1),
            run.get("decode_context_parallel", 1),
        )
        yield Row(path.parent.name, told, run, shape, split, _limits(run))


def _shape(name: str, shapes: dict[str, Any]) -> Shape:
    """The model of a file's own ``shapes``, or that of the catalog."""
    if name not in shapes:
        return ModelSpec(name=name, **model_entries()[name]).shape
    config = dict(shapes[name] if "architectures" in shapes[name] else SHORT_NAMES | shapes[name])
    config.setdefault("max_position_embeddings", SERVED["max_model_len"])
    return read_shape(config)


def _limits(run: dict[str, Any]) -> Limits:
    return Limits(
        run.get("gpu_memory_utilization", 0.90),
        run.get("max_num_seqs", SERVED["max_num_seqs"]),
        run.get("max_num_batched_tokens", SERVED["max_num_batched_tokens"]),
        run.get("max_model_len", SERVED["max_model_len"]),
        "fp8" if str(run.get("kv_cache_dtype") or "auto").startswith("fp8") else "auto",
        bool(run.get("enforce_eager")),
    )
