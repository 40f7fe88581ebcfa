"""`python -m benchmarks.planner.timing`: how long sizing and planning take.

Sizing a model over every GPU type, and planning a thousand servers with ten services; each beside
what `import pyinfra.api` takes on the same machine, which every run of pyinfra pays.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from rackwright import catalog
from rackwright.commands.size import size, size_up
from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.models.finding import find_model
from rackwright.planning.placing import plan

SERVERS, SERVICES, REPEAT = 1000, 10, 5
MOST_SIZING_S, MOST_PLANNING_S = 1.0, 0.5
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
IMPORT = "import time; start = time.perf_counter(); import pyinfra.api; " + (
    "print(time.perf_counter() - start)"
)


def main() -> None:
    """Print each time, its ratio to the import, and whether it keeps its bound."""
    importing = statistics.median(_import_s() for _ in range(REPEAT))
    print(f"import pyinfra.api: {importing:.2f} s (medians of {REPEAT})\n")
    print(planning())
    times = {name: sizing_s(name) for name in _judged()}
    slowest = sorted(times, key=times.__getitem__, reverse=True)
    print(f"{len(times)} models, each over all GPU types; the slowest:")
    for name in slowest[:5]:
        print(f"  {name:40} {_beside(times[name], importing, MOST_SIZING_S)}")
    planned = statistics.median(seconds for _, seconds, _ in _plannings())
    print(f"  {'planning':40} {_beside(planned, importing, MOST_PLANNING_S)}")


def _judged() -> Iterator[str]:
    """The models of the catalog that can be sized. Reading the catalog is not what is timed."""
    for name in catalog.model_entries():
        with suppress(SpecError):
            yield find_model(name).name


def _beside(seconds: float, importing: float, most: float) -> str:
    missed = "" if seconds <= most else f"  MISSES the bar of {most} s"
    return f"{seconds:.2f} s  {seconds / importing:.1f} x the import{missed}"


def _import_s() -> float:
    command = [sys.executable, "-c", IMPORT]
    return float(subprocess.run(command, capture_output=True, check=True).stdout)


def sizing_s(name: str) -> float:
    """Seconds to size a model of the catalog over all GPU types, nothing remembered of it."""
    asked = size.make_context("size", [name]).params
    asked = {key: asked[key] for key in asked if key not in ("model", "inventory", "as_json")}
    return _timed(lambda: size_up(name, None, **asked))[1]


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def _plannings() -> list[tuple[float, float, int]]:
    """Seconds of reading and of planning, and replicas, of each repetition."""
    hosts, found = _large_fleet(), []
    for _ in range(REPEAT):
        fleet, reading = _timed(lambda: load_fleet(hosts))
        made, seconds = _timed(lambda fleet=fleet: plan(fleet))  # type: ignore[misc]
        found.append((reading, seconds, len(made.replicas)))
    return found


def planning() -> str:
    """A large fleet read and planned, in words."""
    found = _plannings()
    reading, seconds = (statistics.median(row[column] for row in found) for column in (0, 1))
    return (
        f"{SERVERS:,} servers of 8 GPUs with {SERVICES} services ({found[0][2]:,} replicas): "
        f"read in {reading:.2f} s, planned in {seconds:.2f} s (medians of {REPEAT})"
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
