"""Small fleets for tests: host data as pyinfra merges it."""

from __future__ import annotations

from functools import cache
from typing import Any

from rackwright import catalog
from rackwright.inventory.settings import host_settings, with_defaults
from rackwright.models import Shape, read_shape
from rackwright.models.spec import ModelSpec
from rackwright.planning.considering import consider
from rackwright.planning.layouts import Layout, Site
from rackwright.planning.limits import limits_of
from rackwright.sizing import Split
from rackwright.spec import ServerSpec, ServiceSpec, Settings

DEFAULTS: dict[str, Any] = with_defaults({})
"""Every setting as group data has it."""
SETTINGS: dict[str, Any] = {
    "vllm_version": "0.32.0",
    "vllm_requirements": "rackwright/engines/requirements/vllm-0.32.0-cu130.txt",
    "uv_requirements": "rackwright/engines/requirements/uv.txt",
}
REVISION = "0e9e39f249a16976918f6564b8830bc894c89659"
TINY: dict[str, Any] = {
    "path": "/srv/models/tiny-llama",
    "config": {
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 256,
        "intermediate_size": 512,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 512,
        "tie_word_embeddings": True,
        "max_position_embeddings": 2048,
    },
}


def settings(**more: Any) -> Settings:
    """The settings of a host as group data has them, some of them changed."""
    return host_settings().model_validate({**DEFAULTS, **SETTINGS, **more})


def server(
    number: int = 11, gpu: str = "h200-sxm-141gb", count: int = 2, link: str = "nvlink"
) -> dict[str, Any]:
    gpus = {"type": gpu, "count": count}
    return {"address": f"192.0.2.{number}", "gpus": gpus, "interconnect": link}


def service(model: str = "llama-3.1-8b-instruct", **more: Any) -> dict[str, Any]:
    base = {
        "model": model,
        "engine": "vllm",
        "servers": ["gpu1"],
        "max_model_len": 8192,
        "objective": "latency",
    }
    pinned = {} if "path" in more else {"revision": REVISION}
    return {key: value for key, value in (base | pinned | more).items() if value is not ...}


def hosts(
    servers: dict[str, Any] | None = None,
    services: dict[str, Any] | None = None,
    gateway: Any = None,
    **more: Any,
) -> dict[str, dict[str, Any]]:
    """Host data of ``servers`` (gpu1 by default) and one gateway gw1."""
    shared = {
        "services": services if services is not None else {"chat": service()},
        **DEFAULTS,
        **SETTINGS,
        **more,
    }
    found = {name: {"server": each, **shared} for name, each in (servers or {}).items()}
    found = found or {"gpu1": {"server": server(), **shared}}
    found["gw1"] = {"gateway": gateway or {"server_name": "llm.example.com"}, **shared}
    return found


def lab_hosts() -> dict[str, dict[str, Any]]:
    """The lab: tensor parallel 2 on one server, a single GPU on the other, a tiny model."""
    chat = service(
        "tiny-llama",
        servers=["gpu1", "gpu2"],
        max_model_len=2048,
        revision=...,
        tensor_parallel_size={"gpu1": 2},
        enforce_eager=True,
    )
    servers = {"gpu1": server(11), "gpu2": server(12, count=1, link="none")}
    return hosts(servers, {"chat": chat}, models={"tiny-llama": TINY})


def cluster(
    count: int = 2, gpus: int = 8, gpu: str = "h100-sxm-80gb", link: str = "nvswitch", **more: Any
) -> dict[str, dict[str, Any]]:
    """Servers gpu1, gpu2, ... that are built alike; ``more`` are further keys of each."""
    return {
        f"gpu{number}": {**server(10 + number, gpu, gpus, link), **more}
        for number in range(1, count + 1)
    }


@cache
def catalog_model(name: str) -> ModelSpec:
    return ModelSpec(name=name, **catalog.model_entries()[name])


def shape(model: str | dict[str, Any]) -> Shape:
    """The shape of a model of the catalog, or of a ``config.json``."""
    return catalog_model(model).shape if isinstance(model, str) else read_shape(model)


def config(model: str, **changed: Any) -> dict[str, Any]:
    """The ``config.json`` of a model of the catalog, with some keys changed."""
    return {**catalog.model_entries()[model]["config"], **changed}


def spec(**more: Any) -> ServiceSpec:
    return ServiceSpec(name="chat", **service(**more))


def judged(
    model: str | dict[str, Any] | Shape,
    box: dict[str, Any] | None = None,
    nodes: int = 1,
    gpus: tuple[int, ...] | None = None,
    **more: Any,
) -> dict[Split, Layout]:
    """Every layout of a service on ``nodes`` servers built like ``box`` (2 x H200 by default)."""
    box = box or server()
    boxes = tuple(ServerSpec(name=f"gpu{number}", **box) for number in range(1, nodes + 1))
    gpu = catalog.gpu_types()[boxes[0].gpus.type]
    asked, own = spec(**more), model if isinstance(model, Shape) else shape(model)
    found = consider(
        asked,
        own,
        Site(boxes, gpu, gpus or tuple(range(boxes[0].gpus.count))),
        limits_of(asked, gpu, own),
    )
    return {layout.split: layout for layout in found}
