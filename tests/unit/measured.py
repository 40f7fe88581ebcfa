"""What engines measured of themselves, tests/data/*/engine.json and measured.json, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rackwright import catalog
from rackwright.architectures import NAMED, Shape, read_shape
from rackwright.sizing import GpuMemory, Limits, Split, gpu_memory

DATA = Path(__file__).parents[1] / "data"
CAPTURES = ("engine.json", "measured.json")
GPU = catalog.gpu_types()["h200-sxm-141gb"]
DEFAULTS: dict[str, Any] = {
    "gpu_memory_utilization": 0.90,
    "max_num_seqs": 1024,
    "max_num_batched_tokens": 8192,
    "max_model_len": 8192,
}
"""What the rows of engine.json ran with; rows of measured.json say it themselves."""
SIZES_ONLY: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "tie_word_embeddings": False,
    "max_position_embeddings": DEFAULTS["max_model_len"],
}
"""What the shapes of engine.json leave out; those of measured.json are whole."""


@dataclass(frozen=True)
class Measured:
    """One engine that was measured: what ran, and what it said of its memory (``run``)."""

    name: str
    shape: Shape
    split: Split
    limits: Limits
    run: Mapping[str, Any]

    def predicted(self) -> GpuMemory:
        return gpu_memory(self.shape, self.split, GPU.memory_bytes, self.limits)


def measured_rows() -> dict[str, Measured]:
    """Every row that came up, by a name that tells it from the others."""
    paths = sorted(path for name in CAPTURES for path in DATA.glob(f"*/{name}"))
    rows: dict[str, Measured] = {}
    for path in paths:
        for row in _rows(path):
            number = sum(name.partition(" #")[0] == row.name for name in rows)
            rows[f"{row.name} #{number + 1}" if number else row.name] = row
    return rows


def _rows(path: Path) -> Iterator[Measured]:
    document = json.loads(path.read_text(encoding="utf-8"))
    for run in document["runs"]:
        if "weights_gib" in run or "kv_cache_tokens" in run:
            config = SIZES_ONLY | document["shapes"][run["model"]]
            yield _row(f"{path.parent.name} {path.stem}", run, config)


def _row(source: str, run: Mapping[str, Any], config: Mapping[str, Any]) -> Measured:
    online = run.get("quantization")
    shape = read_shape(config)
    if online and shape.quantization is None:
        shape = shape.with_quantization(NAMED[online])
    split = Split(
        run.get("tensor_parallel_size", 1),
        run.get("pipeline_parallel_size", 1),
        bool(run.get("expert_parallel")),
    )
    return Measured(f"{source}: {_name(run)}", shape, split, _limits(run), run)


def _limits(run: Mapping[str, Any]) -> Limits:
    given = {key: run.get(key) or default for key, default in DEFAULTS.items()}
    kept = str(run.get("kv_cache_dtype") or "auto")
    return Limits(
        **given,
        kv_cache_dtype="fp8" if kept.startswith("fp8") else "auto",
        enforce_eager=bool(run.get("enforce_eager")),
    )


def _name(run: Mapping[str, Any]) -> str:
    """The model, how it was split, and what was not left at the engine's own choice."""
    parts = [run["model"], f"TP {run.get('tensor_parallel_size', 1)}"]
    if run.get("pipeline_parallel_size", 1) > 1:
        parts.append(f"PP {run['pipeline_parallel_size']}")
    for key, usual in (DEFAULTS | {"quantization": None, "kv_cache_dtype": "auto"}).items():
        if run.get(key) not in (None, usual):
            parts.append(f"{key}={run[key]}")
    return " ".join([*parts, "eager"] if run.get("enforce_eager") else parts)
