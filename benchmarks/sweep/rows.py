"""Rows as tests/data has them, and the document that holds them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.serving import accounts

UNITS = {
    "*_gib": "GiB a GPU",
    "ready_s": "from the start of the engine's process until it served",
    "ttft_ms": "median time to first token, ms",
    "tpot_ms": "median time per output token after the first, ms",
    "out_tok_s": "output tokens a second, all requests and replicas",
    "planned": "what the plan said of one replica: alone, and busy with its part of the load",
}
_GIB = 1024**3
_SETTINGS = ("quantization", "kv_cache_dtype", "tensor_parallel_size", "pipeline_parallel_size",
             "expert_parallel", "max_model_len", "max_num_seqs", "max_num_batched_tokens",
             "gpu_memory_utilization", "enforce_eager")  # fmt: skip
_SHOWN = ("ttft_ms", "tpot_ms", "out_tok_s")


def layout_row(name: str, replicas: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What was deployed: ``replicas`` are those of one service in the plan's JSON."""
    first = replicas[0]
    model = first["model"]
    row = {"name": name, "model": model["name"], "engine": first["engine"], "gpu": first["gpu"]}
    row |= {"interconnect": first["interconnect"], "replicas": len(replicas)}
    row |= {"dtype": (model["config"] or {}).get("torch_dtype", "bfloat16")}
    return row | {key: first[key] for key in _SETTINGS} | {"planned": planned(first)}


def planned(replica: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's own figures of a replica."""
    memory = replica["memory"]
    return {
        "kv_cache_tokens": memory["kv_cache_tokens"],
        "weights_gib": round(memory["weights_bytes"] / _GIB, 2),
        "alone": replica["alone"],
        "busy": replica["busy"],
    }


def account(engine: str, log: str, metrics: str) -> dict[str, Any]:
    """What an engine says of its memory; the figure of its metrics before that of its log."""
    found = accounts.of_log(log) | accounts.of_metrics(metrics, engine)
    return found | {"backends": accounts.backends(log)}


class Results:
    """What was measured so far, in a file that is whole after every row."""

    def __init__(self, folder: Path, host: str) -> None:
        self.path = folder / "measured.json"
        self.document: dict[str, Any] = {"host": host, "engine": "", "units": UNITS}
        self.document |= {"runs": [], "failed": [], "not_run": [], "shapes": {}}

    def add(self, kind: str, row: Any, shapes: Mapping[str, Any] | None = None) -> None:
        """Note a row of ``runs`` or ``failed``, or a name in ``not_run``."""
        self.document[kind].append(row)
        self.document["shapes"] |= shapes or {}
        releases = {f"{row['engine']} {row['release']}" for row in self.document["runs"]}
        self.document["engine"] = ", ".join((*sorted(releases), "random weights"))
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.document, indent=1) + "\n")
        fresh.replace(self.path)


def table(document: Mapping[str, Any]) -> str:
    """All rows, for people: memory beside the plan's, and the speed at each load."""
    lines = [
        "| layout | ready s | KV cache tokens, planned | load: TTFT ms, ms a token, tokens/s |"
    ]
    lines.append("| --- | --- | --- | --- |")
    for row in document["runs"]:
        cache = f"{row.get('kv_cache_tokens') or 0:,}, {row['planned']['kv_cache_tokens']:,}"
        loads = "; ".join(
            f"{load['concurrency']}: {', '.join(str(load.get(key, '-')) for key in _SHOWN)}"
            for load in row.get("load", ())
        )
        lines.append(f"| {row['name']} | {row.get('ready_s')} | {cache} | {loads} |")
    failed = {row["name"]: " ".join(" ".join(row["error"]).split()) for row in document["failed"]}
    lines += [f"| {name} | failed | {error[:200]} | |" for name, error in failed.items()]
    lines += [f"| {name} | not run | | |" for name in document["not_run"]]
    return "\n".join(lines)
