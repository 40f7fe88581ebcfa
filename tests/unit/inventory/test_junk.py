"""Junk in any place is a fault or a plan, and nothing else."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest

from rackwright.engines import ENGINES
from rackwright.errors import SpecError
from rackwright.inventory.project_files import project_file_faults
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import with_defaults
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.spec import FleetSpec
from tests.samples.faulty import (
    BY_HAND,
    TARGET,
    Hosts,
)
from tests.samples.fleet import (
    DEFAULTS,
    TINY,
    hosts,
    server,
    service,
)
from tests.samples.launches import example

JUNK = [None, True, -1, 0, 3.5, 10**9, "", "x", "é\n", [], [None], {}, {"x": None}, {1: 2}, b"x"]
JUNK += [10**400, float("nan"), "9" * 5000, "\ud800\0"]


def leaves(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every value of nested dicts and lists is, containers too."""
    items = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [at, *(place for key, each in items for place in leaves(each, (*at, key)))]


def bare(data: Hosts) -> Hosts:
    """Without the settings that are as group data has them: junk is put into what is written."""
    return {
        name: {key: own[key] for key in own if own[key] != DEFAULTS.get(key, ...)}
        for name, own in data.items()
    }


def load(data: Hosts) -> FleetSpec:
    return load_fleet({name: with_defaults(own) for name, own in data.items()})


def everything() -> dict[str, dict[str, Any]]:
    """Two servers and a gateway with every key of a server, a service and a model."""
    own = service(
        "tiny",
        revision=...,
        path="/srv/models/tiny",
        max_model_len=2048,
        gpus={"gpu1": [0]},
        port=8100,
        tensor_parallel_size={"gpu1": 1},
        pipeline_parallel_size=1,
        expert_parallel=False,
        data_parallel_size=1,
        decode_context_parallel_size=1,
        replicas=1,
        servers_per_replica=1,
        max_num_seqs=8,
        max_num_batched_tokens=2048,
        concurrency=4,
        gpu_memory_utilization=0.8,
        quantization="fp8",
        kv_cache_dtype="fp8",
        enforce_eager=True,
        images=0,
        audios=0,
        extra_args={"seed": 1},
        aliases=["gpt-4o"],
        host_names=["own.example.com"],
        browser_origins=["https://app.example.com"],
        sticky=False,
        rollout="all",
        router="vllm-router",
        queue={"length": 0, "wait_s": 1},
        overflow={
            "url": "https://api.example.com/v1",
            "model": "big",
            "key_env": "KEY",
            "in_flight": 4,
            "requests_a_day": 5,
            "tokens_a_day": 6,
        },
    )
    keys = {option.key for option in ENGINES["vllm"].options if option.key}
    own = {key: example(key) for key in keys} | own
    other = service("hand", revision=..., gpus={"gpu1": [1]}, objective=dict(TARGET, tpot_ms=9999))
    wide = service(servers=["gpu2", "gpu3"], served_model_name="wide", servers_per_replica=2)
    part = {"sha256": "a" * 64, "size_bytes": 2_000_000}
    file = {"path": "/srv/tiny-00001-of-00002.gguf", "parts": [part, dict(part)]}
    layers = service("tiny", engine="llamacpp", servers=["gpu4"], revision=..., gguf=file)
    layers |= {"max_model_len": 2048, "served_model_name": "layers"}
    layers |= {"mmproj": {"path": "/srv/mmproj.gguf", **part}}
    gateway = {"server_name": "a.example.com", "certificate": "/a", "certificate_key": "/b"}
    gateway |= {"ask_keys": True, "default": "own"}
    islands = {"nvlink_islands": [[0, 1]], "numa_nodes": [[0], [1, 5]], "fabric_manager": "own"}
    islands |= {"other_gpus": [{"type": "l4-24gb", "count": 1, "indexes": [5]}]}
    network = {"network_gbit_per_s": 25, "network_interface": "eth0", "rdma_devices": ["mlx5_0"]}
    servers = {
        "gpu1": {**server(), **islands},
        "gpu2": {**server(12), **network},
        "gpu3": {**server(13), **network},
        "gpu4": server(14),
    }
    build = {"llamacpp_version": "1", "llamacpp_url": "https://a/b.tgz"}
    tiny = {**TINY, "dtype": "float16", "max_model_len": 2048}
    return bare(
        hosts(
            servers,
            {"own": own, "other": other, "wide": wide, "layers": layers},
            gateway,
            llamacpp_sha256="a" * 64,
            **build,
            models={"tiny": tiny, "hand": BY_HAND},
            engine_environment={"A": "1"},
        )
    )


def test_the_sample_of_every_key_has_every_key() -> None:
    fleet = load(everything())
    written = {"servers": everything()["gpu1"]["server"] | everything()["gpu2"]["server"]}
    services = everything()["gpu1"]["services"].values()
    written["services"] = {key: 1 for each in services for key in each}
    known = type(fleet.servers["gpu1"]), type(fleet.services["own"])
    for keys, model in zip(written.values(), known, strict=True):
        assert set(keys) == set(model.model_fields) - {"name"}


def short(value: object) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize("key", DEFAULTS)
def test_junk_in_a_setting_is_a_fault_or_a_plan_and_nothing_else(key: str) -> None:
    for engine in ENGINES:
        for junk in JUNK:
            with suppress(SpecError):
                fleet = load_fleet(hosts(services={"a": service(engine=engine)}, **{key: junk}))
                list(project_file_faults(fleet))
                plan_text(plan(fleet))


@pytest.mark.parametrize("junk", JUNK, ids=short)
def test_junk_anywhere_is_a_fault_or_a_plan_and_nothing_else(junk: Any) -> None:
    plan_text(plan(load(everything())))
    for place in leaves(everything())[1:]:
        if len(place) == 1:
            continue  # pyinfra gives each host a dict
        data = deepcopy(everything())
        target: Any = data
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = junk
        with suppress(SpecError):
            plan_text(plan(load(data)))
