"""GGUF files in an inventory: what is refused, and where they are put."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.desired import paths
from rackwright.desired.items import File
from rackwright.desired.replicas import replica_items
from rackwright.desired.weights import weights_request
from rackwright.errors import PlanError, SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.sizing import GIB
from tests.samples.engines import GGUF, SETTINGS
from tests.samples.fleet import TINY, hosts, server, service

L40S = server(gpu="l40s-48gb", count=4, link="pcie")
PULLED = {"pull": "llama3.3:70b", "sha256": "a" * 64, "size_bytes": GGUF["size_bytes"]}


def chat(engine: str = "ollama", **more: Any) -> dict[str, Any]:
    own = {"engine": engine, "gguf": GGUF, "revision": ...}
    return service("llama-3.3-70b-instruct", **{**own, **more})


def planned(
    *, box: dict[str, Any] | None = None, services: dict[str, Any] | None = None, **more: Any
) -> FleetPlan:
    found = services or {"chat": chat(**more)}
    return plan(load_fleet(hosts({"gpu1": box or L40S}, found, **SETTINGS)))


# --- layouts -----------------------------------------------------------------------------------


def test_the_fewest_gpus_that_fit_and_as_many_replicas_as_there_is_room_for() -> None:
    found = planned()
    assert [replica.gpus for replica in found.replicas] == [(0, 1), (2, 3)]
    assert not any(replica.speeds for replica in found.replicas)
    reasons = {each.split.pipeline: each for each in found.rejected}
    assert "fewer than one sequence" in reasons[1].reason
    assert reasons[3].reason == "fits, but takes more GPUs than it needs"
    assert reasons[3].feasible and not reasons[1].feasible


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_a_model_that_fits_one_gpu_is_never_spread(objective: str) -> None:
    small = {**GGUF, "size_bytes": 20 * GIB}
    found = planned(gguf=small, objective=objective)
    assert [replica.gpus for replica in found.replicas] == [(0,), (1,), (2,), (3,)]


def test_the_operator_may_ask_for_more_gpus() -> None:
    (replica,) = planned(pipeline_parallel_size=4).replicas
    assert replica.gpus == (0, 1, 2, 3)
    with pytest.raises(PlanError, match=r"5 GPU.*: needs 5 GPUs, 4 may be used"):
        planned(pipeline_parallel_size=5)


def test_more_slots_need_more_memory_and_are_all_there_or_refused() -> None:
    (replica, _) = planned(engine="llamacpp").replicas
    assert replica.memory.sequences == replica.limits.max_num_seqs == 4
    small = server(gpu="l40s-48gb", count=2, link="pcie")
    with pytest.raises(PlanError, match=r"enough for \d+ of 128 slots of 8,192 tokens"):
        planned(box=small, engine="llamacpp", max_num_seqs=128)


def test_a_quantized_cache_holds_nearly_twice_as_much() -> None:
    caches = [
        planned(engine="llamacpp", kv_cache_dtype=kind).replicas[0].memory.kv_cache_bytes
        for kind in ("f16", "q8_0", "q4_0")
    ]
    assert caches[0] / caches[1] == pytest.approx(32 * 2 / 34)
    assert caches[0] / caches[2] == pytest.approx(32 * 2 / 18)


def test_the_plan_says_the_file_and_that_speed_is_not_predicted() -> None:
    text = plan_text(planned(), 140)
    assert "chat-gpu1-0  llama-3.3-70b-instruct  GPUs 0-1  GGUF Q4_K_M 39.6 GiB, by layers" in text
    assert "the speed of engine ollama is not predicted" in text
    assert "takes more GPUs than it needs: 3 GPUs, 4 GPUs" in text
    assert "\n    1 GPU: " in text


def test_vllm_and_ollama_share_a_server_on_gpus_of_their_own() -> None:
    services = {
        "quick": service(gpus={"gpu1": [0, 1]}, served_model_name="quick"),
        "chat": chat(gpus={"gpu1": [2, 3]}),
    }
    found = planned(services=services)
    used = {replica.name: replica.gpus for replica in found.replicas}
    assert used["chat-gpu1-0"] == (2, 3)
    assert len({gpu for gpus in used.values() for gpu in gpus}) == 4
    assert len({replica.port for replica in found.replicas}) == len(found.replicas)
    with pytest.raises(SpecError, match="GPU 1 of gpu1 is taken"):
        planned(services={**services, "chat": chat(gpus={"gpu1": [1, 2]})})


# --- where it is -------------------------------------------------------------------------------


def test_a_pulled_model_is_ollamas_own_to_fetch() -> None:
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat(gguf=PULLED)}, **SETTINGS))
    replicas, settings = plan(spec).replicas, spec.settings["gpu1"]
    assert weights_request(replicas, settings, {}) is None
    files = [one for one in replica_items(replicas, settings, None) if isinstance(one, File)]
    content = next(one.content for one in files if one.key.endswith(".service"))
    assert f" pull:llama3.3:70b {'a' * 64} 8192".encode() in content
    assert b"RequiresMountsFor=/var/cache/rackwright\n" in content


def test_a_file_at_a_path_is_left_where_it_is() -> None:
    own = {"path": "/srv/m.gguf", "sha256": "a" * 64, "size_bytes": GGUF["size_bytes"]}
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat(gguf=own)}, **SETTINGS))
    replicas, settings = plan(spec).replicas, spec.settings["gpu1"]
    assert {paths.model_path(replica, settings) for replica in replicas} == {"/srv/m.gguf"}
    request = weights_request(replicas, settings, {})
    assert request is not None and request["models"][0]["url"] is None


def test_a_mirror_of_the_hub_is_asked_instead() -> None:
    mirror = {"engine_environment": {"HF_ENDPOINT": "https://hub.example.com/"}}
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": chat()}, **SETTINGS, **mirror))
    request = weights_request(plan(spec).replicas, spec.settings["gpu1"], {})
    assert request is not None
    assert request["models"][0]["url"].startswith("https://hub.example.com/bartowski/")


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"gguf": ...}, "services[chat].gguf: is required (a GGUF file)"),
        (
            {"engine": "llamacpp", "gguf": PULLED},
            "services[chat].gguf.pull: must be left out, engine llamacpp pulls no models",
        ),
        (
            {"engine": "vllm", "revision": "a" * 40},
            "services[chat].gguf: must be left out, engine vllm serves none",
        ),
        ({"revision": "a" * 40}, "services[chat].revision: must be left out, engine ollama"),
        ({"tensor_parallel_size": 2}, "services[chat].tensor_parallel_size: must be left out"),
        ({"quantization": "fp8"}, "services[chat].quantization: must be left out, engine ollama"),
        ({"kv_cache_dtype": "fp8"}, "services[chat].kv_cache_dtype: must be one of auto, f16"),
        (
            {"objective": {"sequences": 2, "tokens": 100, "tpot_ms": 9}},
            "services[chat].objective: must be latency or throughput, the speed of engine ollama",
        ),
        (
            {"gguf": {**GGUF, "file": "m-00001-of-00003.gguf"}},
            "services[chat].gguf.file: must be one file, merge a split one",
        ),
        ({"gguf": {**GGUF, "file": "m.bin"}}, "must be a file of the repository that ends in"),
        ({"gguf": {**GGUF, "revision": "main"}}, "services[chat].gguf.revision: must be a full"),
        ({"gguf": {**GGUF, "sha256": "abc"}}, "services[chat].gguf.sha256: must be a SHA-256"),
        ({"gguf": {**GGUF, "path": "/m.gguf"}}, "services[chat].gguf: must have repo, revision"),
        ({"gguf": {"sha256": "a" * 64, "size_bytes": 1}}, "must have repo, revision and file, or"),
        ({"gguf": {**PULLED, "pull": "llama3.3"}}, "must be a model and its tag"),
        (
            {"engine": "vllm", "gguf": ..., "revision": "a" * 40, "kv_cache_dtype": "q8_0"},
            "services[chat].kv_cache_dtype: must be one of auto, fp8 with engine vllm",
        ),
        (
            {"engine": "llamacpp", "extra_args": {"ctx-size": 1}},
            "services[chat].extra_args.ctx-size: is set by Rackwright",
        ),
        (
            {"engine": "llamacpp", "extra_args": {"n-cpu-moe": 1}},
            "services[chat].extra_args.n-cpu-moe: changes memory or placement",
        ),
    ],
)
def test_what_an_engine_cannot_serve_is_one_sentence(more: dict[str, Any], words: str) -> None:
    with pytest.raises(SpecError) as refused:
        planned(**more)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("deepseek-v3", "cannot be sized for llamacpp: the KV cache of latent attention (MLA)"),
        ("qwen3.5-27b", "cannot be sized for llamacpp: linear attention"),
    ],
)
def test_a_model_that_cannot_be_judged_is_refused(model: str, words: str) -> None:
    asked = service(model, engine="llamacpp", gguf=GGUF, revision=...)
    with pytest.raises(SpecError) as refused:
        planned(services={"chat": asked})
    assert words in str(refused.value)


def test_a_model_of_the_inventory_may_bring_its_file() -> None:
    own = {**TINY, "gguf": {**GGUF, "size_bytes": 4_000_000}}
    asked = service("tiny", engine="llamacpp", revision=..., max_model_len=512)
    spec = load_fleet(hosts({"gpu1": L40S}, {"chat": asked}, models={"tiny": own}, **SETTINGS))
    assert all(replica.gguf is not None for replica in plan(spec).replicas)
