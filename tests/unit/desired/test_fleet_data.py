"""The gateway's data: what it holds, that it is stable, and what it never holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rackwright.desired.fleet_data import fleet_data, slots
from rackwright.engines import ENGINES, Engine
from rackwright.engines.endpoints import ENDPOINTS
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.spec import FleetSpec
from tests.samples.engines import GGUF, SETTINGS
from tests.samples.fleet import TINY, hosts, server, service
from tests.samples.launches import replicas_of

Golden = Callable[[str, bytes], None]
OVERFLOW = {"url": "https://api.example.com/v1", "model": "big", "key_env": "K", "tokens_a_day": 9}


def planned(
    services: dict[str, Any], gateway: Any = None, **more: Any
) -> tuple[FleetSpec, FleetPlan]:
    """Two servers of two H200 each, the second with one GPU less for ``chat``."""
    servers = {"gpu1": server(11), "gpu2": server(12)}
    spec = load_fleet(hosts(servers, services, gateway, **more))
    return spec, plan(spec)


def written(spec: FleetSpec, made: FleetPlan, known: dict[str, str] | None = None) -> bytes:
    gateway = spec.gateways["gw1"]
    return fleet_data(gateway, made.upstreams, spec.settings["gw1"], known or {})


def data(*args: Any, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(written(*planned(*args, **more)))
    return found


def both() -> tuple[FleetSpec, FleetPlan]:
    """All keys of a service, and one that has none of them."""
    chat = service(
        "llama-3.3-70b-instruct",
        servers=["gpu1", "gpu2"],
        tensor_parallel_size={"gpu1": 2, "gpu2": 1},
        gpus={"gpu1": [0, 1], "gpu2": [0]},
        quantization="fp8",
        served_model_name="chat",
        aliases=["gpt-4o"],
        adapters={"sql": "/srv/models/sql"},
        host_names=["Chat.example.com"],
        browser_origins=["https://app.example.com"],
        queue={"length": 0},
        overflow=OVERFLOW | {"in_flight": 64},
    )
    quick = service("tiny-llama", max_model_len=1024, revision=..., sticky=False)
    quick |= {"servers": ["gpu2"], "gpus": {"gpu2": [1]}}
    gateway = {"server_name": "llm.example.com", "ask_keys": True, "default": "quick"}
    return planned({"chat": chat, "quick": quick}, gateway, models={"tiny-llama": TINY})


def test_it_is_as_kept(golden: Golden) -> None:
    golden("fleet-two.json", written(*both()))


def test_the_same_plan_is_the_same_bytes() -> None:
    assert written(*both()) == written(*both())


def test_every_path_of_an_engine_is_an_endpoint() -> None:
    for engine in ENGINES.values():
        assert engine.paths and len(set(engine.paths)) == len(engine.paths)
        unknown = set(engine.paths) - set(ENDPOINTS)
        assert not unknown, f"engines/{engine.name}.py: list {unknown} in engines/endpoints.py"


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES.keys())
def test_a_canary_is_asked_of_a_path_that_the_engine_answers(engine: Engine) -> None:
    (replica, *_) = replicas_of(engine)
    canary = engine.canary(replica.service)
    assert canary.path in engine.paths and canary.body["model"] == replica.service.served_as
    assert canary.body["max_tokens"] == 1


@pytest.mark.parametrize(
    ("engine", "flags"), [("vllm", {"runner": "pooling"}), ("sglang", {"is_embedding": True})]
)
def test_a_model_that_embeds_is_not_asked_to_talk(engine: str, flags: dict[str, Any]) -> None:
    made = data({"chat": service(engine=engine, extra_args=flags)}, **SETTINGS)
    chat = made["services"]["chat"]
    canary = chat["canary"]
    assert canary["path"] == "/v1/embeddings" in chat["paths"]
    assert canary["body"] == {"model": "llama-3.1-8b-instruct", "input": "Hi"}
    assert not {"/v1/chat/completions", "/v1/completions", "/v1/messages"} & {*chat["paths"]}


def test_a_flag_that_is_off_leaves_a_model_to_talk() -> None:
    made = data({"chat": service(engine="sglang", extra_args={"is-embedding": False})}, **SETTINGS)
    assert made["services"]["chat"]["canary"]["path"] == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("model", "canary", "offers", "refuses"),
    [
        ("bge-m3", "/v1/embeddings", ("/rerank", "/score", "/pooling"), ("/classify",)),
        ("qwen3-embedding-8b", "/v1/embeddings", ("/score", "/tokenize"), ("/classify",)),
        ("bge-reranker-v2-m3", "/classify", ("/v1/rerank", "/v1/score"), ("/v1/embeddings",)),
    ],
)
def test_only_what_a_model_answers_reaches_it(
    model: str, canary: str, offers: tuple[str, ...], refuses: tuple[str, ...]
) -> None:
    own = data({"embed": service(model)})["services"]["embed"]
    assert own["canary"] == {"path": canary, "body": {"model": model, "input": "Hi"}}
    assert {canary, *offers} <= {*own["paths"]} <= set(ENDPOINTS)
    assert not {*refuses, "/v1/chat/completions", "/v1/completions"} & {*own["paths"]}


def test_what_writes_makes_no_vectors_with_vllm() -> None:
    own = data({"chat": service()})["services"]["chat"]
    assert not {"/v1/embeddings", "/rerank", "/score", "/classify", "/pooling"} & {*own["paths"]}


def test_without_a_cache_a_replica_takes_what_it_is_told() -> None:
    _, made = planned({"embed": service("bge-m3", max_num_seqs=48)})
    assert {slots(one) for one in made.replicas} == {48}


def test_every_endpoint_is_answered_by_some_engine() -> None:
    answered = {path for engine in ENGINES.values() for path in engine.paths}
    assert answered == set(ENDPOINTS)


def test_a_stronger_replica_gets_more_in_the_ratio_of_what_is_predicted() -> None:
    _, made = both()
    first, second = json.loads(written(*both()))["services"]["chat"]["replicas"]
    speeds = [one.speeds[-1].out_tok_s for one in made.upstreams[0].replicas]
    assert (first["name"], second["name"]) == ("chat-gpu1-0", "chat-gpu2-0")
    assert first["weight"] == 1.0
    assert second["weight"] == round(speeds[1] / speeds[0], 3) < 0.8


def test_without_predictions_slots_are_the_weights() -> None:
    chat = service(engine="llamacpp", servers=["gpu1", "gpu2"], gguf=GGUF, revision=...)
    replicas = data({"chat": chat | {"max_num_seqs": 8}}, **SETTINGS)["services"]["chat"][
        "replicas"
    ]
    assert [(one["slots"], one["weight"]) for one in replicas] == [(8, 1.0)] * len(replicas)


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ({"max_num_seqs": 16}, 16),
        ({"objective": {"sequences": 24, "tokens": 2048, "tpot_ms": 900}}, 24),
        ({"objective": {"sequences": 24, "tokens": 2048, "tpot_ms": 900}, "max_num_seqs": 8}, 8),
    ],
)
def test_a_replica_takes_what_it_runs_or_what_was_asked_of_it(
    more: dict[str, Any], wanted: int
) -> None:
    chat = service(tensor_parallel_size=1, replicas=1, **more)
    if more.get("max_num_seqs") == 8:
        chat["objective"] = {"sequences": 8, "tokens": 2048, "tpot_ms": 900}
    _, made = planned({"chat": chat})
    assert [slots(one) for one in made.replicas] == [wanted]


def test_each_data_parallel_group_takes_as_many_as_it_is_told() -> None:
    mixture = service("deepseek-v2-lite-chat", data_parallel_size=2, max_num_seqs=16)
    _, made = planned({"chat": mixture})
    assert [slots(one) for one in made.replicas] == [2 * 16]


def test_a_cache_that_holds_few_prompts_bounds_what_a_replica_takes() -> None:
    chat = service("llama-3.3-70b-instruct", quantization="fp8", tensor_parallel_size=1)
    _, made = planned({"chat": chat | {"gpu_memory_utilization": 0.6}})
    (replica, *_) = made.replicas
    assert slots(replica) == replica.memory.kv_cache_tokens // 640 < replica.limits.max_num_seqs


def test_what_waits_is_the_services_own_or_group_datas() -> None:
    services = {
        "chat": service(gpus={"gpu1": [0]}, queue={"wait_s": 5}),
        "other": service(gpus={"gpu1": [1]}, served_model_name="other"),
    }
    made = data(services, queue_length=7, queue_wait_s=9)["services"]
    assert made["chat"]["queue"] == {"length": 7, "wait_s": 5}
    assert made["other"]["queue"] == {"length": 7, "wait_s": 9}


def test_no_key_is_in_it_nor_what_it_is_called() -> None:
    assert b"key_env" not in written(*both()) and b'"K"' not in written(*both())


@pytest.mark.parametrize(
    ("url", "host", "port", "prefix"),
    [
        ("https://api.example.com", "api.example.com", 443, ""),
        ("https://api.example.com/", "api.example.com", 443, ""),
        ("https://API.example.com:8443/openai/v1/", "api.example.com", 8443, "/openai/v1"),
    ],
)
def test_an_outside_api_is_told_in_parts(url: str, host: str, port: int, prefix: str) -> None:
    made = data({"chat": service(overflow=OVERFLOW | {"url": url})})["services"]["chat"]
    told = made["overflow"]
    assert (told["host"], told["port"], told["prefix"]) == (host, port, prefix)
    assert told["in_flight"] is None and told["requests_a_day"] is None


def test_servers_by_name_are_given_by_address() -> None:
    servers = {"gpu1": {**server(), "address": "gpu-one.example.com"}}
    spec = load_fleet(hosts(servers))
    made = written(spec, plan(spec), {"gpu-one.example.com": "2001:db8::2"})
    (replica,) = json.loads(made)["services"]["chat"]["replicas"]
    assert replica["host"] == "[2001:db8::2]" and b"gpu-one" not in made


def test_a_gateway_may_have_no_service() -> None:
    spec, _ = planned({"chat": service()})
    empty = json.loads(fleet_data(spec.gateways["gw1"], (), spec.settings["gw1"], {}))
    assert empty["services"] == {} and empty["hosts"] == {} and empty["keys_required"] is False


def test_gateways_are_told_where_each_server_s_watchdog_answers() -> None:
    spec, made = planned({"chat": service(servers=["gpu1", "gpu2"], gpus={"gpu1": [0]})})
    gateway, ports = spec.gateways["gw1"], {"gpu1": 7979}
    text = fleet_data(gateway, made.upstreams, spec.settings["gw1"], {}, ports)
    replicas = json.loads(text)["services"]["chat"]["replicas"]
    watched = {one["name"]: one.get("watch") for one in replicas}
    assert watched["chat-gpu1-0"] == {"host": "192.0.2.11", "port": 7979}
    assert {place for name, place in watched.items() if "gpu2" in name} == {None}


def test_each_replica_has_the_id_of_its_key_of_engines() -> None:
    spec = load_fleet(hosts({"gpu1": server()}, {"chat": service(replicas=2)}))
    upstreams = plan(spec).upstreams
    first, second = (replica.name for replica in upstreams[0].replicas)
    ids = {first: "0123456789ab", second: ""}
    settings = spec.settings["gw1"]
    text = fleet_data(spec.gateways["gw1"], upstreams, settings, {}, key_ids=ids)
    entries = json.loads(text)["services"]["chat"]["replicas"]
    assert [entry.get("key") for entry in entries] == ["0123456789ab", None]
