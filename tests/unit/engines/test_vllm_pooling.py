"""vLLM with its pooling runner: what it is told, and that the operator's flag means the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rackwright.desired.items import File
from rackwright.desired.replicas import replica_items
from rackwright.engines import ENGINES
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from rackwright.report.document import plan_document
from rackwright.report.plan import plan_text
from rackwright.spec import Settings
from tests.samples.fleet import hosts, server, service, settings

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
