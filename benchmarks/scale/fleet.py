"""A fleet of so many servers, as an inventory would declare it."""

from __future__ import annotations

from typing import Any

from rackwright.inventory.settings import with_defaults

A_SERVICE = 20
"""Servers that serve the same; each has eight GPUs and two replicas of it."""
GATEWAYS = ("gw1", "gw2")
MODEL = "llama-3.3-70b-instruct"

Data = dict[str, dict[str, Any]]


def host_data(servers: int, a_service: int = A_SERVICE) -> Data:
    """Data of each host, as pyinfra merges it."""
    services, hosts = declared(servers, a_service)
    shared = with_defaults({"services": services})
    return {name: {**own, **shared} for name, own in hosts.items()}


def declared(servers: int, a_service: int = A_SERVICE) -> tuple[dict[str, Any], Data]:
    """The services, and what each host has of its own: servers first, then two gateways."""
    names = [f"gpu{number}" for number in range(1, servers + 1)]
    groups = [names[first : first + a_service] for first in range(0, servers, a_service)]
    services = {f"chat{n}": _service(f"chat{n}", group) for n, group in enumerate(groups, 1)}
    gateways = {
        name: {"gateway": {"server_name": "llm.example.com", "address": f"10.255.0.{n}"}}
        for n, name in enumerate(GATEWAYS, 1)
    }
    return services, {name: {"server": _server(n)} for n, name in enumerate(names)} | gateways


def _service(name: str, servers: list[str]) -> dict[str, Any]:
    return {
        "model": MODEL,
        "served_model_name": name,
        "revision": "0" * 40,
        "engine": "vllm",
        "servers": servers,
        "max_model_len": 8192,
        "objective": "throughput",
        "tensor_parallel_size": 4,
    }


def _server(number: int) -> dict[str, Any]:
    return {
        "address": f"10.{number // 250}.{number % 250}.11",
        "gpus": {"type": "h200-sxm-141gb", "count": 8},
        "interconnect": "nvswitch",
    }
