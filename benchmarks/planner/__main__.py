"""`python -m benchmarks.planner`: predicted beside measured, and planning a large fleet."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.planner.crossed import crossed
from benchmarks.planner.rows import FIGURES, Row, bar, measured_rows
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.planning.placing import plan
from rackwright.sizing import GIB

SERVERS, SERVICES, REPEAT = 1000, 10, 5
SPEEDS = ("tpot_ms", "ttft_ms", "out_tok_s")
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
    """Print every table. Planning is timed first, before anything it needs is at hand."""
    timed = _planning()
    rows = measured_rows()
    print(f"Memory of {len(rows)} measured engines, GiB a GPU; predicted / measured (error)\n")
    _print(_memory_table(rows))
    print("\nSpeed, 512 tokens in and 128 out; predicted / measured (error)\n")
    reasons = _reasons(rows)
    _print(_speed_table(rows, reasons))
    for number, reason in enumerate(reasons, start=1):
        print(f"({number}) not judged: {reason}")
    print()
    _print(_summary(rows))
    print(
        "\nThe same constants fitted anew to the rows of one kind of GPU, judged by the others'\n"
    )
    _print(crossed(rows))
    print(f"\n{timed}")


def _memory_table(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    yield ("measured", "engine", "layout", "weights", "activations", "graphs", "KV cache tokens")
    for row in rows:
        memory, run = row.memory, row.run
        yield (
            row.source,
            row.engine,
            row.name,
            _pair(memory.weights_bytes / GIB, run.get("weights_gib")),
            _pair(memory.peak_activation_bytes / GIB, run.get("peak_activation_gib")),
            _pair(memory.cuda_graph_bytes / GIB, run.get("cuda_graph_gib")),
            _pair(memory.kv_cache_tokens, run.get("kv_cache_tokens"), ",.0f"),
        )


def _reasons(rows: Sequence[Row]) -> list[str]:
    """Why loads are not judged, each reason once."""
    found = (row.untrusted(load) for row in rows for load in row.loads)
    return [reason for reason in dict.fromkeys(found) if reason]


def _speed_table(rows: Sequence[Row], reasons: Sequence[str]) -> Iterator[tuple[str, ...]]:
    yield (
        "measured",
        "engine",
        "layout",
        "requests",
        "ms a token",
        "first after ms",
        "tokens/s",
        "",
    )
    for row in rows:
        for load in row.loads:
            found = row.predicted(load["concurrency"])
            yield (
                row.source,
                row.engine,
                row.name,
                str(load["concurrency"]),
                *(_pair(found[key], load.get(key), ",.1f") for key in SPEEDS),
                _verdict(row, load, reasons),
            )


def _verdict(row: Row, load: dict[str, Any], reasons: Sequence[str]) -> str:
    """Which reason a load is not judged for, or that it misses the bar; empty where all is well."""
    if reason := row.untrusted(load):
        return f"({reasons.index(reason) + 1})"
    allowed = bar(load["concurrency"])
    missed = max(map(abs, row.errors(load).values())) > allowed
    return f"MISSES the bar of {allowed:.0%}" if missed else ""


def _summary(rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The worst errors among what is judged, by the number of requests."""
    yield ("requests", "judged", "not judged", "bar", "worst ms a token", "worst tokens/s")
    loads = [(row, load) for row in rows for load in row.loads]
    for count in sorted({load["concurrency"] for _, load in loads}):
        same = [(row, load) for row, load in loads if load["concurrency"] == count]
        judged = [row.errors(load) for row, load in same if not row.untrusted(load)]
        yield (
            str(count),
            str(len(judged)),
            str(len(same) - len(judged)),
            f"{bar(count):.0%}",
            *(_worst([errors[key] for errors in judged if key in errors]) for key in FIGURES),
        )


def _worst(errors: Sequence[float]) -> str:
    return f"{max(errors, key=abs):+.1%}" if errors else "-"


def _pair(predicted: float, measured: float | None, form: str = ".2f") -> str:
    if measured is None:
        return f"{predicted:{form}} / -"
    error = f" ({predicted / measured - 1:+.1%})" if measured else ""
    return f"{predicted:{form}} / {measured:{form}}{error}"


def _print(rows: Iterator[tuple[str, ...]]) -> None:
    table = list(rows)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        print("  ".join(f"{cell:<{size}}" for cell, size in zip(row, widths, strict=True)).rstrip())


def _planning() -> str:
    hosts = _large_fleet()
    reading, planning = [], []
    for _ in range(REPEAT):
        start = time.perf_counter()
        fleet = load_fleet(hosts)
        read = time.perf_counter()
        made = plan(fleet)
        planning.append(time.perf_counter() - read)
        reading.append(read - start)
    return (
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
    shared = with_defaults({"services": services})
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
