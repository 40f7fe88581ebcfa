"""Layouts that are measured, and the inventory that deploys some of them to this machine.

    python -m benchmarks.sweep.layouts 8b-tp2 > inventories/mine.py

Weights are random and multicast over NVLink stays off: on a shared machine it is not ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from pprint import pformat
from typing import Any

from rackwright.inventory.entry import discovered

MODELS = "/srv/models"
HOST = "@local"
LENGTH = 8192
WITHOUT_MULTICAST = {
    "NCCL_NVLS_ENABLE": "0",
    "TORCH_SYMM_MEM_DISABLE_MULTICAST": "1",
    "NVSHMEM_DISABLE_NVLS": "1",
    "VLLM_ALLREDUCE_USE_SYMM_MEM": "0",
}
HOST_DATA: Mapping[str, Any] = {
    "gateway": {"server_name": "localhost"},
    "driver_source": "none",  # only checked
    "reboot": "never",
    "engine_environment": WITHOUT_MULTICAST,
    "start_timeout_s": 400,
    "stop_timeout_s": 20,
}
_8B, _70B, _MOE = "llama-3.1-8b-instruct", "llama-3.1-70b-instruct", "qwen3-30b-a3b"


@dataclass(frozen=True)
class Layout:
    """One service: its model, how many GPUs it takes, and what its entry says beside that."""

    name: str
    gpus: int
    model: str
    engine: str = "vllm"
    service: Mapping[str, Any] = field(default_factory=dict)

    def entry(self, gpus: Sequence[int]) -> dict[str, Any]:
        """The service's entry in an inventory, on these GPUs."""
        return {
            "model": self.model,
            "engine": self.engine,
            "served_model_name": self.name,
            "servers": [HOST],
            "gpus": {HOST: list(gpus)},
            "path": f"{MODELS}/{self.model}",
            "max_model_len": LENGTH,
            "objective": "throughput",
            "extra_args": {"load-format": "dummy"},
            **self.service,
        }


def _one(name: str, model: str, engine: str = "vllm", **service: Any) -> Layout:
    return Layout(name, 1, model, engine, {"tensor_parallel_size": 1, **service})


def _two(name: str, model: str, engine: str = "vllm", **service: Any) -> Layout:
    return Layout(name, 2, model, engine, service)


def _four(name: str, model: str, **service: Any) -> Layout:
    return Layout(name, 4, model, "vllm", service)


LAYOUTS = {
    layout.name: layout
    for layout in (
        _one("8b-tp1", _8B),
        _one("8b-fp8-tp1", "qwen3-8b-fp8"),
        _one("8b-fp8-online-tp1", _8B, quantization="fp8"),
        _one("gpt-oss-20b-tp1", "gpt-oss-20b"),
        _one("30b-a3b-tp1", _MOE),
        _one("sglang-8b-tp1", _8B, engine="sglang"),
        _two("8b-tp2", _8B, tensor_parallel_size=2),
        _two("8b-two-replicas", _8B, tensor_parallel_size=1, replicas=2),
        _two("8b-pp2", _8B, tensor_parallel_size=1, pipeline_parallel_size=2),
        _two("30b-a3b-tp2", _MOE, tensor_parallel_size=2, expert_parallel=False),
        _two("30b-a3b-ep2", _MOE, tensor_parallel_size=2, expert_parallel=True),
        _two("sglang-8b-tp2", _8B, engine="sglang", tensor_parallel_size=2),
        _four("70b-tp4", _70B, tensor_parallel_size=4),
        _four("70b-tp2-two-replicas", _70B, tensor_parallel_size=2, replicas=2),
        _four("70b-tp2-pp2", _70B, tensor_parallel_size=2, pipeline_parallel_size=2),
        _four("70b-pp4", _70B, tensor_parallel_size=1, pipeline_parallel_size=4),
        _four("30b-a3b-ep4", _MOE, tensor_parallel_size=4, expert_parallel=True),
    )
}


def batches(layouts: Iterable[Layout], gpus: int) -> list[list[Layout]]:
    """Those that fit beside one another start together; an engine that others displace is last.

    A deploy removes the releases of engines that nothing runs any more.
    """
    left = sorted(layouts, key=lambda layout: layout.engine != "vllm")
    found = []
    while left:
        batch, free = [left[0]], gpus - left[0].gpus
        for layout in left[1:]:
            if layout.gpus <= free:
                batch.append(layout)
                free -= layout.gpus
        left = [layout for layout in left if layout not in batch]
        found.append(batch)
    return found


def services(batch: Sequence[Layout]) -> dict[str, dict[str, Any]]:
    """Their entries by service, on GPUs of their own.

    Services keep their names from batch to batch, and with them what engines have compiled.
    """
    found, first = {}, 0
    for number, layout in enumerate(batch):
        found[f"bench{number}"] = layout.entry(range(first, first + layout.gpus))
        first += layout.gpus
    return found


def inventory_text(
    services: Mapping[str, Any],
    server: Mapping[str, Any],
    data: Mapping[str, Any],
    models: Mapping[str, Any] | None = None,
) -> str:
    """An inventory of this machine alone: ``server`` is its entry, ``data`` its other data."""
    shared = {"services": services, **({"models": models} if models else {})}
    return (
        f'"""Written by benchmarks.sweep: {", ".join(services)} on this machine."""\n\n'
        f"_shared = {pformat(shared, sort_dicts=False)}\n\n"
        f"_host = {pformat({'server': server, **data}, sort_dicts=False)}\n\n"
        f'boxes = [("{HOST}", _host)]\n\nall = (boxes, _shared)\n'
    )


def look() -> dict[str, Any]:
    """What the probe sees of this machine."""
    argv = [str(Path(sys.executable).with_name("rackwright")), "discover", HOST, "--json"]
    done = subprocess.run(argv, capture_output=True, text=True)
    if not done.stdout:
        sys.exit(f"`rackwright discover {HOST}` says nothing: {done.stderr.strip()[-500:]}")
    return dict(json.loads(done.stdout)[HOST])


def server_of(seen: Mapping[str, Any]) -> dict[str, Any]:
    """The server's entry; exits with the reason where there is none."""
    found = discovered(HOST, seen)
    if found.server is None:
        sys.exit(f"Error: {'; '.join(found.notes)}")
    return found.server


def main() -> None:
    names = sys.argv[1:]
    if not names or not set(names) <= LAYOUTS.keys():
        sys.exit(f"usage: python -m benchmarks.sweep.layouts {' | '.join(LAYOUTS)}")
    chosen = [LAYOUTS[name] for name in names]
    print(inventory_text(services(chosen), server_of(look()), HOST_DATA), end="")


if __name__ == "__main__":
    main()
