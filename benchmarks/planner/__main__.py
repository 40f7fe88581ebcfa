"""`python -m benchmarks.planner`: predicted beside measured, and planning a large fleet."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.planner.rows import Row, measured_rows
from rackwright.planner import plan
from rackwright.sizing import GIB
from rackwright.spec import load_fleet

SERVERS, SERVICES, REPEAT = 1000, 10, 5
MODELS = (
    "llama-3.1-8b-instruct",
    "qwen3-8b",
    "mistral-7b-instruct-v0.3",
    "qwen2.5-7b-instruct",
    "phi-4",
    "llama-3.2-3b-instruct",
    "qwen3-4b",
    "llama-3.2-1b-instruct",
    "qwen2.5-3b-instruct",
    "qwen3-14b",
)


def main() -> None:
    """Print every table."""
    rows = measured_rows()
    print(f"Memory of {len(rows)} measured engines, GiB a GPU; predicted / measured (error)\n")
    _print(_memory_table(rows))
    print("\nSpeed, 512 tokens in and 128 out; predicted / measured (ratio)\n")
    _print(_speed_table(rows))
    print()
    _planning()


def _memory_table(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    yield ("measured", "layout", "weights", "activations", "graphs", "KV cache tokens")
    for row in rows:
        memory, run = row.memory, row.run
        yield (
            row.source,
            row.name,
            _pair(memory.weights_bytes / GIB, run.get("weights_gib")),
            _pair(memory.peak_activation_bytes / GIB, run.get("peak_activation_gib")),
            _pair(memory.cuda_graph_bytes / GIB, run.get("cuda_graph_gib")),
            _pair(memory.kv_cache_tokens, run.get("kv_cache_tokens"), ",.0f"),
        )


def _speed_table(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    yield ("measured", "layout", "requests", "ms a token", "first after ms", "tokens/s")
    for row in rows:
        for load in row.run.get("load") or ():
            speed = row.speed(load["concurrency"])
            yield (
                row.source,
                row.name,
                str(load["concurrency"]),
                _ratio(speed.tpot_ms, load["tpot_ms"]),
                _ratio(speed.ttft_ms, load["ttft_ms"]),
                _ratio(speed.out_tok_s * row.run.get("replicas", 1), load["out_tok_s"]),
            )


def _pair(predicted: float, measured: float | None, form: str = ".2f") -> str:
    if measured is None:
        return f"{predicted:{form}} / -"
    error = f" ({predicted / measured - 1:+.1%})" if measured else ""
    return f"{predicted:{form}} / {measured:{form}}{error}"


def _ratio(predicted: float, measured: float) -> str:
    return f"{predicted:,.1f} / {measured:,.1f} ({predicted / measured:.2f})"


def _print(rows: Iterator[tuple[str, ...]]) -> None:
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True)).rstrip())


def _planning() -> None:
    hosts = _large_fleet()
    reading, planning = [], []
    for _ in range(REPEAT):
        start = time.perf_counter()
        fleet = load_fleet(hosts)
        read = time.perf_counter()
        made = plan(fleet)
        planning.append(time.perf_counter() - read)
        reading.append(read - start)
    print(
        f"{SERVERS:,} servers of 8 GPUs with {SERVICES} services "
        f"({len(made.replicas):,} replicas): read in {statistics.median(reading):.2f} s, "
        f"planned in {statistics.median(planning):.2f} s (medians of {REPEAT})"
    )


def _large_fleet() -> dict[str, dict[str, Any]]:
    """Every server runs eight of ten services, each on one of its GPUs."""
    names = [f"gpu{number}" for number in range(SERVERS)]
    services = {}
    for index, model in enumerate(MODELS):
        gpus = {
            name: [(index - number) % SERVICES]
            for number, name in enumerate(names)
            if (index - number) % SERVICES < 8
        }
        services[f"service{index}"] = {
            "model": model,
            "revision": "0" * 40,
            "engine": "vllm",
            "servers": list(gpus),
            "gpus": gpus,
            "max_model_len": 4096,
            "objective": "throughput",
        }
    shared = {
        "services": services,
        "vllm_version": "0.32.0",
        "vllm_requirements": "engines/vllm.txt",
        "uv_requirements": "engines/uv.txt",
    }
    gpus = {"type": "h100-sxm-80gb", "count": 8}
    fleet: dict[str, dict[str, Any]] = {
        name: {
            "server": {
                "address": f"10.{number // 250}.{number % 250}.11",
                "gpus": gpus,
                "interconnect": "nvswitch",
            },
            **shared,
        }
        for number, name in enumerate(names)
    }
    fleet["gw1"] = {"gateway": {"server_name": "llm.example.com"}, **shared}
    return fleet


if __name__ == "__main__":
    main()
