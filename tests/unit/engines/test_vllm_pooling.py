"""vLLM with its pooling runner: what it is told, and that the operator's flag means the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackwright.desired.items import File
from rackwright.desired.replicas import replica_items
from rackwright.engines import ENGINES
from rackwright.engines.endpoints import ENDPOINTS
from rackwright.errors import SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.models.projection import TokenVectors
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from rackwright.report.document import plan_document
from rackwright.report.plan import plan_text
from rackwright.runner.planned import planned_replica
from rackwright.spec import Settings
from tests.samples.configs import usual
from tests.samples.fleet import hosts, server, service, settings
from tests.samples.late_configs import LATE as OF_LATE

REAL = Path(__file__).parents[2] / "data" / "configs" / "real.jsonl"
Golden = Callable[[str, bytes], None]
VLLM = ENGINES["vllm"]
UUIDS = [f"GPU-{index}" for index in range(8)]
L40S = server(gpu="l40s-48gb", count=4, link="pcie")


def made(model: str = "bge-m3", box: Any = None, **more: Any) -> tuple[FleetPlan, Settings]:
    spec = load_fleet(hosts({"gpu1": box or server()}, {"embed": service(model, **more)}))
    return plan(spec), spec.settings["gpu1"]


def first(*args: Any, **more: Any) -> Replica:
    return made(*args, **more)[0].replicas[0]


def words(replica: Replica) -> list[str]:
    return list(VLLM.argv(replica, "/m", settings()))


def value(replica: Replica, flag: str) -> str:
    said = words(replica)
    return said[said.index(f"--{flag}") + 1]


def test_its_unit_and_environment_are_as_kept(golden: Golden) -> None:
    found, host = made(box=L40S)
    items = replica_items(found.replicas[:1], host, UUIDS)
    for ending in (".service", ".env"):
        (file,) = [one for one in items if isinstance(one, File) and one.key.endswith(ending)]
        golden(f"replica-embeds{ending}", file.content)


@pytest.mark.parametrize(
    ("model", "task"),
    [("bge-m3", "embed"), ("qwen3-embedding-0.6b", "embed"), ("bge-reranker-v2-m3", "classify")],
)
def test_it_pools_what_does_not_write(model: str, task: str) -> None:
    replica = first(model)
    assert (replica.task, value(replica, "runner")) == (task, "pooling")
    assert (replica.speeds, replica.longest_prompt_s) == ((), None)


def test_what_writes_is_told_of_no_runner() -> None:
    replica = first("llama-3.1-8b-instruct")
    assert replica.task is None and "--runner" not in words(replica)


@pytest.mark.parametrize("flags", [{"runner": "pooling"}, {"convert": "embed"}])
def test_the_operators_own_flag_means_the_same(flags: dict[str, str]) -> None:
    told = first("qwen3-embedding-8b")
    own = {"writes": {"repo": "a/b", "config": told.model.config}}
    spec = load_fleet(hosts({"gpu1": server()}, {"embed": service("writes", extra_args=flags)},
                            models=own))  # fmt: skip
    by_hand = plan(spec).replicas[0]
    assert by_hand.task == told.task == "embed"
    assert by_hand.memory == told.memory
    assert by_hand.limits == told.limits and by_hand.speeds == told.speeds == ()
    runners = [word for word in words(by_hand) if word.startswith("--runner")]
    assert len(runners) == 1, "told once, whoever says it"


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({"model": "bge-m3"}, 8192),
        ({"model": "bge-m3", "max_model_len": 512}, 2048),
        ({"model": "qwen3-embedding-4b", "max_model_len": 32768}, 32768),
        ({"model": "qwen3-embedding-4b", "max_num_batched_tokens": 4096}, 4096),
    ],
)
def test_a_text_fits_one_step_unless_it_need_not(more: dict[str, Any], step: int) -> None:
    """Without chunked prefill vLLM refuses a longest request that does not."""
    assert first(box=L40S, **more).limits.max_num_batched_tokens == step


def test_replicas_are_how_more_is_done_and_ranks_where_one_gpu_is_too_small() -> None:
    found, _ = made("qwen3-embedding-8b", L40S)
    assert [one.split.gpus for one in found.replicas] == [1, 1, 1, 1]
    splits = [one.split for one in found.rejected]
    assert all(split.data == split.context == split.pipeline == 1 for split in splits)
    small, _ = made("qwen3-embedding-8b", server(gpu="t4-16gb", count=4, link="pcie"),
                    tensor_parallel_size=2, max_model_len=2048)  # fmt: skip
    assert [one.split.tensor for one in small.replicas] == [2, 2]


def test_an_encoder_needs_room_for_no_tokens() -> None:
    memory = first(concurrency=512).memory
    assert (memory.kv_cache_tokens, memory.sequences) == (0, 1024)


@pytest.mark.parametrize("model", ["bge-m3", "qwen3-embedding-8b", "bge-reranker-v2-m3"])
def test_the_plan_promises_no_tokens_a_second(model: str) -> None:
    found, _ = made(model)
    text, (replica, *_) = plan_text(found), plan_document(found)["replicas"]
    assert "how fast is not predicted" in text and "tokens/s" not in text
    assert (replica["alone"], replica["busy"]) == (None, None)
    assert replica["task"] == found.replicas[0].task
    assert ("no KV cache" in text) == (not found.replicas[0].memory.has_cache)


def of(config: dict[str, Any], box: Any = None, **more: Any) -> Replica:
    """The replica of a model that no catalog has."""
    own = {"own": {"path": "/srv/models/own", "config": config}}
    asked = service("own", revision=..., **more)
    spec = load_fleet(hosts({"gpu1": box or server()}, {"embed": asked}, models=own))
    return plan(spec).replicas[0]


def config(name: str, **more: Any) -> dict[str, Any]:
    """Of a made-up model, whose texts may be long enough to be planned."""
    return {**usual(name), "max_position_embeddings": 8194, **more}


OTHERS = ("EmbeddingGemma2Model", "InternLM2ForRewardModel", "JinaVLForRanking")
LATE = sorted({name for name, _, _ in OF_LATE} - set(OTHERS))


@pytest.mark.parametrize("name", LATE)
def test_a_model_of_late_interaction_is_asked_for_vectors_of_tokens(name: str) -> None:
    replica = of(config(name))
    shape = replica.model.shape
    assert (replica.task, value(replica, "runner")) == ("token_embed", "pooling")
    canary = VLLM.canary(replica.service, replica.task)
    assert (canary.path, canary.sent["input"]) == ("/pooling", ["Hi", "Hi"])
    paths = VLLM.paths_of(shape, replica.task)
    assert {"/pooling", "/rerank", "/v1/score"} <= set(paths)
    assert not {"/v1/embeddings", "/classify", "/v1/chat/completions"} & set(paths)
    assert ("--language-model-only" in words(replica)) == shape.text_only
    assert replica.limits.max_num_batched_tokens >= replica.limits.max_model_len
    assert "/pooling" in ENDPOINTS


@pytest.mark.parametrize("name", LATE)
def test_its_texts_are_read_in_one_step(name: str) -> None:
    """Also by decoders among them, whose class says that they pool as encoders do."""
    step = {"max_model_len": 4096, "max_num_batched_tokens": 2048}
    if name == "JinaForRanking":
        assert of(config(name), **step).limits.max_num_batched_tokens == 2048
        return
    with pytest.raises(SpecError, match="max_num_batched_tokens: must be at least max_model_len"):
        of(config(name), **step)
    with pytest.raises(SpecError, match="enable-chunked-prefill: must be left out"):
        of(config(name), extra_args={"enable-chunked-prefill": True})
    with pytest.raises(SpecError, match="pipeline_parallel_size: must be left out"):
        of(config(name), pipeline_parallel_size=2)


def test_decoders_among_them_keep_what_they_read() -> None:
    kept = {name: of(config(name)).memory.has_cache for name in LATE}
    assert {name for name in kept if kept[name]} == {
        *("ColBERTLfm2Model", "ColPaliForRetrieval", "ColQwen3", "ColQwen3_5", "JinaForRanking"),
        *("OpsColQwen3Model", "Qwen3VLNemotronEmbedModel"),
    }
    assert of(config("ColQwen3"), kv_cache_dtype="fp8").limits.kv_cache_dtype == "fp8"
    with pytest.raises(SpecError, match="has no KV cache"):
        of(config("HF_ColBERT"), kv_cache_dtype="fp8")


@pytest.mark.parametrize("name", ["ColBERTModernBertModel", "GteNewModel", "BgeM3EmbeddingModel"])
def test_an_engine_is_told_of_a_class_that_files_have_no_name_of(name: str) -> None:
    more = {"position_embedding_type": "absolute"} if name.startswith("Bge") else {}
    told = value(of(config(name, **more)), "hf-overrides")
    assert json.loads(told) == {"architectures": [name]}
    assert "--hf-overrides" not in words(of(config("HF_ColBERT")))
    with pytest.raises(SpecError, match="hf-overrides: is set by Rackwright"):
        of(config(name, **more), extra_args={"hf-overrides": "{}"})


@pytest.mark.parametrize(
    ("flags", "task"),
    [
        ({}, "embed"),
        ({"pooler-config.task": "token_embed"}, "token_embed"),
        ({"pooler_config.task": "token_classify"}, "token_classify"),
        ({"pooler-config": '{"task": "token_embed"}'}, "token_embed"),
    ],
)
def test_one_that_does_several_things_is_told_one_of_them(flags: dict[str, str], task: str) -> None:
    """Untold vLLM would take a task of two, which no path of its answers."""
    replica = of(config("BgeM3EmbeddingModel"), extra_args=flags)
    assert replica.task == task
    told = [word for word in words(replica) if word.startswith("--pooler")]
    assert len(told) == 1
    if not flags:
        assert value(replica, "pooler-config") == '{"task":"embed"}'


def test_an_embedder_makes_vectors_of_tokens_where_it_is_told() -> None:
    flags = {"pooler-config.task": "token_embed"}
    for model in ("bge-m3", "qwen3-embedding-0.6b"):
        replica = first(model, extra_args=flags)
        assert replica.task == "token_embed"
        assert VLLM.canary(replica.service, replica.task).path == "/pooling"
    assert first(
        "bge-reranker-v2-m3", extra_args={"pooler-config.task": "token_classify"}
    ).task == ("token_classify")


@pytest.mark.parametrize(
    ("name", "task", "can"),
    [
        ("HF_ColBERT", "embed", "token_embed"),
        ("BertModel", "classify", "embed or token_embed"),
        ("BertForSequenceClassification", "embed", "classify or token_classify"),
        ("InternLM2ForRewardModel", "plugin", "token_classify"),
    ],
)
def test_a_task_that_a_model_has_not_is_refused(name: str, task: str, can: str) -> None:
    with pytest.raises(SpecError, match=f"must name as its task {can}: the model can do no other"):
        of(config(name), extra_args={"pooler-config.task": task})


@pytest.mark.parametrize(
    ("name", "more", "vectors"),
    [
        ("ColBERTModernBertModel", {"dim": 96}, TokenVectors(96)),
        ("HF_ColBERT", {}, TokenVectors(0)),
        ("ColQwen3_5", {}, TokenVectors(128)),
        ("JinaForRanking", {}, TokenVectors(512, of_all=False)),
        ("BertModel", {}, None),
    ],
)
def test_checks_know_what_vectors_come_back(
    name: str, more: dict[str, Any], vectors: TokenVectors | None
) -> None:
    replica = of(config(name, **more))
    assert planned_replica(replica, settings(), load=False).vectors == vectors


def test_vectors_are_made_of_pages_where_their_tower_is_known() -> None:
    (line,) = [one for one in REAL.read_text().splitlines() if "ColQwen3-2b" in one]
    pages = json.loads(line)["config"]
    blind, seeing = of(pages), of(pages, images=2)
    assert json.loads(value(seeing, "limit-mm-per-prompt"))["image"] == 2
    assert "--language-model-only" not in words(seeing)
    assert "--language-model-only" in words(blind)
    more = seeing.memory.weights_bytes - blind.memory.weights_bytes
    assert more >= 2 * 406_957_056, "its tower"
    assert seeing.memory.working_bytes > blind.memory.working_bytes
    with pytest.raises(SpecError, match="what sees in ColPaliForRetrieval is not known yet"):
        of(config("ColPaliForRetrieval"), images=1)
