"""SGLang as text: its command line, and its memory by its own rule; one row is a real one's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackwright import catalog
from rackwright.engines import ENGINES
from rackwright.errors import PlanError, SpecError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from rackwright.sizing import GIB, Limits, Split
from rackwright.sizing.static_share import MIB, reserve_bytes, static_memory, usual_share
from rackwright.sizing.working import CONTEXT_BYTES
from tests.samples.engines import SETTINGS
from tests.samples.fleet import cluster, config, hosts, server, service

SGLANG = ENGINES["sglang"]
DATA = Path(__file__).parents[2] / "data"


def replicas(**more: Any) -> tuple[Replica, ...]:
    chat = service(engine="sglang", **more)
    return plan(load_fleet(hosts({"gpu1": server()}, {"chat": chat}, **SETTINGS))).replicas


def words(replica: Replica) -> str:
    settings = load_fleet(hosts({"gpu1": server()}, **SETTINGS)).settings["gpu1"]
    return " ".join(SGLANG.argv(replica, "/m", settings))


def test_the_command_line_is_the_plan() -> None:
    replica, _ = replicas()
    assert words(replica) == (
        "-m sglang.launch_server --model-path /m --served-model-name llama-3.1-8b-instruct "
        "--host 192.0.2.11 --port 8000 --tp-size 1 --pp-size 1 --context-length 8192 "
        "--max-running-requests 256 --chunked-prefill-size 8192 --mem-fraction-static 0.88 "
        "--dtype bfloat16 --enable-metrics --enable-cache-report"
    )


@pytest.mark.parametrize(
    ("more", "flag"),
    [
        ({"kv_cache_dtype": "fp8"}, "--kv-cache-dtype=fp8_e4m3"),
        ({"enforce_eager": True}, "--disable-cuda-graph"),
        (
            {"model": "qwen3-30b-a3b", "tensor_parallel_size": 2, "expert_parallel": True},
            "--ep-size=2",
        ),
        ({"extra_args": {"reasoning-parser": "qwen3"}}, "--reasoning-parser=qwen3"),
        ({"gpu_memory_utilization": 0.7}, "--mem-fraction-static 0.7"),
    ],
)
def test_what_the_service_says_is_a_flag(more: dict[str, Any], flag: str) -> None:
    assert flag in words(replicas(**more)[0])


@pytest.mark.parametrize(("length", "told"), [(32768, None), (32769, "1"), (131072, "1")])
def test_it_is_told_that_a_stretched_context_is_meant(length: int, told: str | None) -> None:
    """Else it refuses what is longer than max_position_embeddings, whatever YaRN makes of that."""
    scaling = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
    own = config("qwen3-8b", max_position_embeddings=32768, rope_scaling=scaling)
    chat = service("own", engine="sglang", max_model_len=length, revision=...)
    models = {"own": {"path": "/srv/own", "config": own}}
    found = load_fleet(hosts({"gpu1": server()}, {"chat": chat}, models=models, **SETTINGS))
    replica = plan(found).replicas[0]
    environment = SGLANG.environment(replica, found.settings["gpu1"], None)
    assert environment.get("SGLANG_ALLOW_OVERWRITE_LONGER_CONTEXT_LEN") == told
    assert f"--context-length {length}" in words(replica)


def test_two_servers_find_each_other() -> None:
    chat = service("llama-3.1-405b-instruct", engine="sglang", servers=["gpu1", "gpu2"])
    found = plan(load_fleet(hosts(cluster(2), {"chat": chat}, **SETTINGS))).replicas
    for rank, replica in enumerate(found):
        port = found[0].span.master_port
        assert words(replica).endswith(
            f"--nnodes=2 --node-rank={rank} --dist-init-addr=192.0.2.11:{port} --dist-timeout=1800"
        )


# --- memory ------------------------------------------------------------------------------------


def test_what_is_kept_is_its_own_rule() -> None:
    """memory_hook.py: 512 + 1.5 a token + 2 a request + 128 a GPU MiB, 10 GiB on large GPUs."""
    asked = Limits(0.8, 32, 4096, 8192, enforce_eager=True)
    assert reserve_bytes(48 * GIB, 2, asked) == (512 + 6144 + 256) * MIB
    graphs = asked._replace(enforce_eager=False)
    assert reserve_bytes(48 * GIB, 2, graphs) == (512 + 6144 + 256 + 64 + 512) * MIB
    assert reserve_bytes(80 * GIB, 2, asked) == 10 * GIB


@pytest.mark.parametrize("key", ["l40s-48gb", "h100-sxm-80gb", "h200-sxm-141gb", "b200-sxm-180gb"])
def test_the_usual_share_leaves_that(key: str) -> None:
    gpu = catalog.gpu_types()[key]
    limits = Limits(0.9, *SGLANG.batch_limits(gpu), 8192)
    share = usual_share(gpu.memory_bytes, limits)
    left = gpu.memory_bytes - CONTEXT_BYTES - gpu.memory_bytes * share
    assert reserve_bytes(gpu.memory_bytes, 16, limits) <= left + 1
    assert left < reserve_bytes(gpu.memory_bytes, 16, limits) + gpu.memory_bytes * 0.011


def test_weights_and_cache_share_what_it_gives_them() -> None:
    (replica, *_) = replicas()
    memory = replica.memory
    free = memory.total_bytes - CONTEXT_BYTES
    assert memory.usable_bytes == int(free * replica.limits.gpu_memory_utilization)
    assert memory.weights_bytes + memory.kv_cache_bytes == memory.usable_bytes
    assert memory.kv_cache_tokens == memory.kv_cache_bytes // (32 * 2 * 8 * 128 * 2)


def test_a_share_that_leaves_too_little_is_refused() -> None:
    with pytest.raises(PlanError, match=r"gpu_memory_utilization 0\.98 leaves .* need"):
        replicas(gpu_memory_utilization=0.98)


def test_ranks_divide_weights_and_cache() -> None:
    shape = load_fleet(hosts()).models["llama-3.1-8b-instruct"].shape
    limits = Limits(0.8, 32, 4096, 8192)
    one, two = (static_memory(shape, Split(ranks), 80 * GIB, limits) for ranks in (1, 2))
    assert two.weights_bytes < one.weights_bytes * 0.51
    assert two.kv_cache_tokens > 2 * one.kv_cache_tokens


@pytest.mark.parametrize(
    ("model", "words_of_it"),
    [
        ("deepseek-v3", "latent attention"),
        ("gemma-3-27b-it", "sliding windows"),
        ("qwen3.5-27b", "sliding windows and linear attention"),
        ("mistral-small-3.2-24b-instruct-2506", "for images"),
    ],
)
def test_what_cannot_be_judged_is_refused(model: str, words_of_it: str) -> None:
    with pytest.raises(SpecError, match=f"cannot be sized for sglang: .*{words_of_it}"):
        replicas(model=model)


def test_the_cache_is_near_what_a_real_one_had() -> None:
    """Of one H100: tests/data/h100x2 says how it was run."""
    (run,) = json.loads((DATA / "h100x2/sglang.json").read_text())["runs"]
    alone = server(gpu="h100-sxm-80gb", count=1, link="none")
    chat = service(run["model"], engine="sglang", max_model_len=run["max_model_len"])
    (replica,) = plan(load_fleet(hosts({"gpu1": alone}, {"chat": chat}, **SETTINGS))).replicas
    assert replica.limits.gpu_memory_utilization == run["gpu_memory_utilization"]
    assert replica.memory.kv_cache_tokens == pytest.approx(run["kv_cache_tokens"], rel=0.03)
