"""The fleet that is converged: GPU servers with two replicas each, the first a gateway too.

The engine is llama.cpp's real server with a model of 3 MB: what is installed is real, and idle.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.fleet import LAB, RACK, TINY_GGUF

COUNT, SSH = "CONVERGE_HOSTS", "CONVERGE_SSH"
"""Variables for the inventories: how many hosts, and the folder of their ssh_config."""
GGUF = {
    "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
    "size_bytes": 3441920,
    "quantization": "BF16",
    "path": f"{TINY_GGUF}/tiny-llama.gguf",
}
SERVER_NAME = "bench.lab.example"


def names(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The hosts of this run."""
    return [host.name for host in RACK[: int(environment[COUNT])]]


def ssh_data(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """How they are reached: directly, or through what delays."""
    folder = Path(environment.get(SSH, str(LAB)))
    return {
        "ssh_config_file": str(folder / "ssh_config"),
        "ssh_known_hosts_file": str(folder / "known_hosts"),
    }


def declared() -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """What each host has of its own, and what is declared of all."""
    hosts: dict[str, dict[str, Any]] = {}
    for host in RACK[: len(names())]:
        gpus = {"type": "h200-sxm-141gb", "count": 2}
        server = {"address": host.address, "gpus": gpus, "interconnect": "nvswitch"}
        hosts[host.name] = {"server": server, **ssh_data()}
    hosts[names()[0]]["gateway"] = {"server_name": SERVER_NAME, "ask_keys": False}
    service = {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": list(hosts),
        "max_model_len": 1024,
        "objective": "throughput",
        "replicas": 2,
    }
    models = {"tiny": {"gguf": GGUF, "config": "lab/tiny_llama.json"}}
    return hosts, {"services": {"chat": service}, "models": models}
