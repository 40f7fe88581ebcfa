"""Processes of an engine as they would be started: what every engine must be able to show.

All follows from what the engine says of itself, so a new engine and a new option need nothing here,
but for an option that only a rare replica has: that gets one more entry in ``SERVICES``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from rackwright.engines import Engine
from rackwright.engines.options import Launch
from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from rackwright.sizing import Split
from rackwright.spec import ServiceSpec
from tests.samples.engines import GGUF, MMPROJ, SETTINGS
from tests.samples.fleet import cluster, hosts, server, service, settings

UUIDS = [f"GPU-{index}{index}{index}{index}-aaaa" for index in range(16)]
SPANNING: Mapping[str, Any] = {"servers": ["gpu1", "gpu2"], "servers_per_replica": 2}
HEARING = {
    "architectures": ["Qwen2AudioForConditionalGeneration"],
    "audio_config": {"d_model": 1280},
    "text_config": {
        **{"model_type": "qwen2", "vocab_size": 156032, "hidden_size": 4096},
        **{"num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008},
        "max_position_embeddings": 8192,
    },
}
HEARS: Mapping[str, Any] = {
    "model": "hears",
    "revision": ...,
    "models": {"hears": {"path": "/srv/models/hears", "config": HEARING}},
}
"""A service of a model that hears: Qwen2-Audio 7B."""
SEVERAL: Mapping[str, Any] = {
    "model": "several",
    "revision": ...,
    "models": {
        "several": {
            "path": "/srv/models/several",
            "config": {
                **{"architectures": ["BgeM3EmbeddingModel"], "model_type": "xlm-roberta"},
                **{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24},
                **{"num_attention_heads": 16, "vocab_size": 250002, "type_vocab_size": 1},
                "max_position_embeddings": 8194,
            },
        }
    },
}
"""One of a model that makes vectors and scores, by a name that its files have not: BGE-M3."""
SERVICES: tuple[Mapping[str, Any], ...] = (
    {},
    {"kv_cache_dtype": "fp8"},
    {"kv_cache_dtype": "q8_0"},
    {"model": "gemma-3-27b-it"},  # sees images
    {"model": "bge-m3"},  # writes nothing
    SEVERAL,
    {"tensor_parallel_size": 2, "box": server(gpu="rtx-4090-24gb", link="pcie")},  # no peers
    {"pipeline_parallel_size": 2},
    {"model": "qwen3-30b-a3b", "tensor_parallel_size": 2, "expert_parallel": True},
    {"model": "deepseek-v2-lite-chat", "data_parallel_size": 2},
    {
        "model": "deepseek-v2-lite-chat",
        "tensor_parallel_size": 2,
        "decode_context_parallel_size": 2,
    },
    SPANNING,
    {**SPANNING, "tensor_parallel_size": 2},
)
"""What replicas may differ in; an engine is tried with those that it does not refuse."""


def replicas_of(engine: Engine, **more: Any) -> tuple[Replica, ...]:
    """The replicas of one service of the engine, on two H200 unless ``box`` is another server.

    Raises SpecError where the engine refuses or cannot hold it.
    """
    asked = dict(more)
    own: dict[str, Any] = {"gguf": GGUF, "revision": ...} if engine.serves_gguf else {}
    boxes = {"gpu1": asked.pop("box", server())}
    if "gpu2" in asked.get("servers", ()):
        boxes = cluster(2, network_interface="bond0")
    models = asked.pop("models", {})
    chat = service(**{"engine": engine.name, **own, **asked})
    return plan(load_fleet(hosts(boxes, {"chat": chat}, models=models, **SETTINGS))).replicas


def launches_of(engine: Engine, **more: Any) -> list[Launch]:
    """One service's processes."""
    host = settings(**SETTINGS)
    return [Launch(replica, "/m", host) for replica in replicas_of(engine, **more)]


def launches(engine: Engine) -> Iterator[Launch]:
    """Processes of all kinds of replicas, and one for each key that an option carries."""
    for more in SERVICES:
        try:
            yield from launches_of(engine, **more)
        except SpecError:
            continue  # not for this engine
    for key in sorted({option.key for option in engine.options if option.key}):
        yield from launches_of(engine, **example_service(key))


def example_service(key: str) -> dict[str, Any]:
    """A service that says something for this key, of a model that can do it."""
    able = {"images": {"model": "gemma-3-27b-it"}, "audios": HEARS}.get(key, {})
    return {**able, key: example(key)}


def example(key: str) -> Any:
    """A value of a service's key, by its type, other than its default."""
    if key == "adapters":
        return {"sql": "/srv/models/sql", "code.v2": "/srv/models/code"}
    if key == "mmproj":
        return MMPROJ
    field = ServiceSpec.model_fields[key]
    kinds = [kind for kind in _kinds(field.annotation) if kind is not type(None)]
    for kind in kinds:
        if get_origin(kind) is Literal:
            return next(value for value in reversed(get_args(kind)) if value != field.default)
        for plain, value in (
            (bool, not field.default),
            (int, 3 if field.default == 2 else 2),
            (float, 0.5),
            (str, "x"),
        ):
            if kind is plain:
                return value
    raise AssertionError(f"tests/samples/launches.py: give example() a value for {key!r}, {kinds}")


def _kinds(annotation: Any) -> Iterator[Any]:
    """The plain types inside unions and ``Annotated``."""
    if get_origin(annotation) is Literal or isinstance(annotation, type):
        yield annotation
        return
    inner = get_args(annotation)
    for kind in inner[:1] if hasattr(annotation, "__metadata__") else inner:
        yield from _kinds(kind)


def said(engine: Engine, launch: Launch) -> tuple[str, ...]:
    """All that an engine's process is told, but for which GPUs it sees."""
    replica, model_path, host = launch
    environment = engine.environment(replica, host, UUIDS)
    variables = (f"{name}={value}" for name, value in sorted(environment.items()))
    return (
        *engine.argv(replica, model_path, host),
        *engine.after_start(replica, model_path),
        *(word for word in variables if not word.startswith("CUDA_VISIBLE_DEVICES=")),
    )


def split_as(launch: Launch, split: Split) -> Launch:
    """The same process with another split, on as many GPUs."""
    gpus = tuple(range(split.gpus))
    replica = launch.replica.model_copy(update={"split": split, "gpus": gpus})
    return launch._replace(replica=replica)
