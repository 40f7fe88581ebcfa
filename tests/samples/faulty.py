"""Fleets with one thing changed in a service, a server or a model, and what is said of them."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from tests.samples.fleet import TINY, hosts, server, service

Hosts = dict[str, dict[str, Any]]
Cases = dict[str, tuple[Hosts, str]]
FIGURES: dict[str, Any] = {
    "weights_gib": 15.0,
    "kv_bytes_per_token": 131072,
    "activation_gib": 1.5,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "hidden_size": 4096,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
}
BY_HAND: dict[str, Any] = {"path": "/srv/models/own", "figures": FIGURES}
TARGET: dict[str, Any] = {"sequences": 64, "tokens": 8192, "tpot_ms": 50}


def faults(data: Hosts) -> list[str]:
    """Every fault of a fleet, as an operator reads it."""
    with pytest.raises(SpecError) as caught:
        load_fleet(data)
    return [str(fault) for fault in caught.value.faults]


def with_service(**more: Any) -> Hosts:
    return hosts(services={"chat": service(**more)})


def with_model(**entry: Any) -> Hosts:
    return hosts(models={"tiny": entry})


def with_config(**changed: Any) -> Hosts:
    return with_model(**{**TINY, "config": {**TINY["config"], **changed}})


def with_server(**more: Any) -> Hosts:
    return hosts({"gpu1": {**server(), **more}})
