from __future__ import annotations

from typing import Any

import pytest

from rackwright import catalog
from rackwright.engines import ENGINES
from rackwright.errors import PlanError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import Replica
from rackwright.planning.placing import plan
from rackwright.spec import Settings
from tests.samples.fleet import TINY, cluster, config, hosts, lab_hosts, server, service, settings

VLLM = ENGINES["vllm"]
CUDA = settings()
CPU = CUDA.model_copy(update={"vllm_build": "cpu"})
UUIDS = ["GPU-a", "GPU-b", "GPU-c", "GPU-d"]


def replica(**more: Any) -> Replica:
    services = {"chat": service(gpus={"gpu1": [2, 3]}, tensor_parallel_size=2, **more)}
    fleet = load_fleet(hosts({"gpu1": server(count=4)}, services))
    return plan(fleet).replicas[0]


def whole(spec: dict[str, Any] | None = None, models: Any = None, **more: Any) -> Replica:
    """The first replica of a service that has a server for itself."""
    data = hosts({"gpu1": spec or server()}, {"chat": service(**more)}, models=models or {})
    return plan(load_fleet(data)).replicas[0]


def spanning(**more: Any) -> tuple[Replica, ...]:
    """One replica on two servers: a process each."""
    chat = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], **more)
    servers = cluster(2, network_interface="bond0")
    return plan(load_fleet(hosts(servers, {"chat": chat}))).replicas


def words(replica: Replica, settings: Settings = CUDA) -> list[str]:
    return list(VLLM.argv(replica, "/m", settings))


def test_every_engine_is_listed_under_its_name() -> None:
    assert all(engine.name == name for name, engine in ENGINES.items())


def test_the_command_line_is_the_plan() -> None:
    argv = VLLM.argv(replica(), "/var/lib/rackwright/models/m", CUDA)
    assert " ".join(argv) == (
        "-m vllm.entrypoints.openai.api_server --model /var/lib/rackwright/models/m "
        "--served-model-name llama-3.1-8b-instruct --host 192.0.2.11 --port 8000 "
        "--tensor-parallel-size 2 --pipeline-parallel-size 1 --max-model-len 8192 "
        "--max-num-seqs 1024 --max-num-batched-tokens 8192 --gpu-memory-utilization 0.9 "
        "--dtype bfloat16 --shutdown-timeout 120 --enable-prompt-tokens-details"
    )


def test_extra_flags_follow_in_order_of_name() -> None:
    extra = {"seed": 7, "disable-log-requests": True, "enable-log-outputs": False, "x": None}
    argv = VLLM.argv(replica(extra_args=extra), "/m", CUDA)
    assert argv[-4:] == ("--disable-log-requests", "--no-enable-log-outputs", "--seed=7", "--x")


def test_the_cpu_build_takes_no_share_of_gpu_memory() -> None:
    assert "--gpu-memory-utilization" not in VLLM.argv(replica(), "/m", CPU)


def test_gpus_are_given_by_uuid_in_the_order_of_the_plan() -> None:
    environment = VLLM.environment(replica(), CUDA, UUIDS)
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-c,GPU-d"
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_without_uuids_gpus_go_by_index_and_the_cpu_build_gets_none() -> None:
    assert VLLM.environment(replica(), CUDA, None)["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert "CUDA_VISIBLE_DEVICES" not in VLLM.environment(replica(), CPU, None)


def test_a_host_that_shows_fewer_gpus_is_a_fault() -> None:
    with pytest.raises(PlanError, match=r"servers\[gpu1\].gpus.count: .* the host shows 2 GPUs"):
        VLLM.environment(replica(), CUDA, UUIDS[:2])


def test_the_environment_is_private_offline_and_in_the_units_own_folder() -> None:
    environment = VLLM.environment(replica(), CUDA, UUIDS)
    assert environment["HF_HUB_OFFLINE"] == environment["VLLM_NO_USAGE_STATS"] == "1"
    assert environment["VLLM_HOST_IP"] == "192.0.2.11"
    folder = "/var/cache/rackwright/chat-gpu1-0"
    assert all(environment[name].startswith(folder) for name in environment if "CACHE" in name)
    assert not any("KEY" in name or "TOKEN" in name for name in environment)


def test_the_operators_environment_wins_except_over_gpus() -> None:
    own = {"NCCL_P2P_DISABLE": "1", "HF_HOME": "/srv/hf", "CUDA_VISIBLE_DEVICES": "0"}
    settings = CUDA.model_copy(update={"engine_environment": own})
    environment = VLLM.environment(replica(), settings, UUIDS)
    assert environment["NCCL_P2P_DISABLE"] == "1"
    assert environment["HF_HOME"] == "/srv/hf"
    assert environment["CUDA_VISIBLE_DEVICES"] == "GPU-c,GPU-d"


def test_the_cpu_build_binds_no_threads_where_ranks_share_cores() -> None:
    two, one = plan(load_fleet(lab_hosts())).replicas
    assert VLLM.environment(two, CPU, UUIDS)["VLLM_CPU_OMP_THREADS_BIND"] == "nobind"
    assert "VLLM_CPU_OMP_THREADS_BIND" not in VLLM.environment(one, CPU, UUIDS)
    assert VLLM.environment(one, CPU, UUIDS)["VLLM_CPU_KVCACHE_SPACE"] == "1"


@pytest.mark.parametrize(
    ("key", "limits"),
    [
        ("b200-sxm-180gb", (1024, 16384)),
        ("h200-sxm-141gb", (1024, 8192)),
        ("rtx-pro-6000-server-96gb", (1024, 8192)),
        ("a100-sxm-80gb", (256, 2048)),
        ("l40s-48gb", (256, 2048)),
    ],
)
def test_batch_limits_are_the_engines_own(key: str, limits: tuple[int, int]) -> None:
    assert VLLM.batch_limits(catalog.gpu_types()[key]) == limits


@pytest.mark.parametrize("flag", ["--seed", "", "se ed", "seed=1", "-tp"])
def test_a_flag_is_a_plain_name(flag: str) -> None:
    assert [found for found, _ in VLLM.flag_faults({flag: 1})] == [flag]


@pytest.mark.parametrize("flag", ["seed", "load-format", "reasoning-parser"])
def test_other_flags_are_the_operators(flag: str) -> None:
    assert not list(VLLM.flag_faults({flag: 1}))


# --- flags that only some layouts need --------------------------------------------------------


def test_a_plain_replica_has_none_of_the_flags_that_only_some_need() -> None:
    rare = (
        "expert",
        "data-parallel",
        "context-parallel",
        "quantization",
        "kv-cache",
        "eager",
        "language",
        "nnodes",
        "headless",
        "all-r",
    )
    assert not [word for word in words(replica()) if any(each in word for each in rare)]


@pytest.mark.parametrize(
    ("more", "flag"),
    [
        ({"quantization": "fp8"}, "--quantization=fp8"),
        ({"kv_cache_dtype": "fp8"}, "--kv-cache-dtype=fp8"),
        ({"enforce_eager": True}, "--enforce-eager"),
        (
            {"model": "qwen3-30b-a3b", "tensor_parallel_size": 2, "expert_parallel": True},
            "--enable-expert-parallel",
        ),
        ({"model": "deepseek-v2-lite-chat", "data_parallel_size": 2}, "--data-parallel-size=2"),
        ({"model": "deepseek-v2-lite-chat", "data_parallel_size": 2}, "--enable-expert-parallel"),
        (
            {
                "model": "deepseek-v2-lite-chat",
                "tensor_parallel_size": 2,
                "decode_context_parallel_size": 2,
            },
            "--decode-context-parallel-size=2",
        ),
        ({"model": "gemma-3-27b-it"}, "--language-model-only"),
        ({"model": "mistral-small-3.2-24b-instruct-2506"}, "--language-model-only"),
        ({"model": "gemma-3-27b-it", "images": 0}, "--language-model-only"),
        ({"model": "gemma-3-27b-it", "images": 4}, '{"image":4,"audio":0,"video":0}'),
    ],
)
def test_what_the_service_says_is_a_flag(more: dict[str, Any], flag: str) -> None:
    assert flag in words(whole(**more))


def test_what_serves_images_is_not_told_to_serve_text_alone() -> None:
    seeing = words(whole(model="gemma-3-27b-it", images=4))
    assert "--language-model-only" not in seeing
    assert seeing[seeing.index("--limit-mm-per-prompt") + 1] == '{"image":4,"audio":0,"video":0}'
    assert "--limit-mm-per-prompt" not in words(whole(model="gemma-3-27b-it"))


def test_no_flag_is_given_twice() -> None:
    everything = {
        "model": "qwen3-30b-a3b",
        "tensor_parallel_size": 2,
        "expert_parallel": True,
        "quantization": "fp8",
        "kv_cache_dtype": "fp8",
        "enforce_eager": True,
        "max_num_seqs": 64,
        "extra_args": {"seed": 1},
    }
    names = [word.partition("=")[0] for word in words(whole(**everything)) if word[:2] == "--"]
    assert len(set(names)) == len(names)


def test_a_shared_mixture_of_experts_is_not_expert_parallel() -> None:
    more = {"model": "qwen3-30b-a3b", "tensor_parallel_size": 2, "expert_parallel": False}
    assert "--enable-expert-parallel" not in words(whole(**more))


def test_the_dtype_is_that_of_the_model() -> None:
    tiny = {**TINY, "dtype": "float16"}
    chat = whole(models={"tiny": tiny}, model="tiny", revision=..., max_model_len=512)
    assert "--dtype float16" in " ".join(words(chat))
    own = {"path": "/srv/a", "config": config("qwen2.5-32b-instruct-awq")}
    quantized = whole(models={"own": own}, model="own", revision=...)
    assert "--quantization" not in " ".join(words(quantized))  # the checkpoint says it itself


@pytest.mark.parametrize("flag", ["kv-cache-dtype", "quantization", "enforce-eager", "nnodes"])
def test_flags_of_the_layout_are_not_the_operators(flag: str) -> None:
    ((found, rule),) = VLLM.flag_faults({flag: 1})
    assert (found, rule) == (flag, "is set by Rackwright, use the service's own keys")


# --- GPUs that do not reach one another -------------------------------------------------------


GEFORCE = server(gpu="rtx-4090-24gb", link="pcie")


def test_geforce_ranks_go_through_the_host() -> None:
    chat = whole(GEFORCE, tensor_parallel_size=2)
    assert VLLM.environment(chat, CUDA, UUIDS)["NCCL_P2P_DISABLE"] == "1"
    assert "--disable-custom-all-reduce" in words(chat)


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        (GEFORCE, {"tensor_parallel_size": 1}),
        (server(gpu="l40s-48gb", link="pcie"), {"tensor_parallel_size": 2}),
        (server(gpu="rtx-3090-24gb", link="nvlink"), {"tensor_parallel_size": 2}),
        (server(), {"tensor_parallel_size": 2}),
    ],
    ids=["one GPU", "peer access", "bridge", "NVLink"],
)
def test_other_gpus_talk_directly(spec: dict[str, Any], more: dict[str, Any]) -> None:
    chat = whole(spec, **more)
    assert "NCCL_P2P_DISABLE" not in VLLM.environment(chat, CUDA, UUIDS)
    assert "--disable-custom-all-reduce" not in words(chat)


def test_graphs_are_left_room_for_by_the_plan_and_not_by_the_engine() -> None:
    name = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"
    assert VLLM.environment(replica(), CUDA, UUIDS)[name] == "0"
    assert name not in VLLM.environment(replica(), CPU, UUIDS)


# --- a replica over several servers -----------------------------------------------------------


def test_the_first_server_of_a_replica_is_an_api_server_that_waits_for_the_others() -> None:
    first, _ = spanning()
    argv = words(first)
    assert argv[:2] == ["-m", "vllm.entrypoints.openai.api_server"]
    assert argv[-6:] == [
        "--nnodes=2",
        "--node-rank=0",
        "--master-addr=192.0.2.11",
        f"--master-port={first.span.master_port}",
        "--distributed-timeout-seconds=1800",
        "--cpu-distributed-timeout-seconds=1800",
    ]


def test_the_later_servers_work_for_the_first_and_answer_nobody() -> None:
    first, second = spanning()
    argv = words(second)
    assert argv[:3] == ["-m", "vllm.entrypoints.cli.main", "serve"]
    assert argv[-7:] == [
        "--nnodes=2",
        "--node-rank=1",
        "--master-addr=192.0.2.11",
        f"--master-port={first.span.master_port}",
        "--distributed-timeout-seconds=1800",
        "--cpu-distributed-timeout-seconds=1800",
        "--headless",
    ]


def test_the_processes_of_a_replica_agree_on_everything_else() -> None:
    first, second = map(words, spanning())

    def common(argv: list[str]) -> list[str]:
        own = ("--node-rank=", "--headless", "-m", "vllm.", "serve", "192.0.2.1")
        return [word for word in argv if not word.startswith(own)]

    assert common(first) == common(second)


def test_each_process_of_a_replica_talks_over_its_own_address_and_interface() -> None:
    for each in spanning():
        environment = VLLM.environment(each, CUDA, None)
        assert environment["VLLM_HOST_IP"] == each.server.address
        assert environment["NCCL_SOCKET_IFNAME"] == "=bond0", "and not bond0.12"
        assert environment["GLOO_SOCKET_IFNAME"] == "bond0"
        assert not {"NCCL_IB_HCA", "NCCL_IB_DISABLE"} & environment.keys()
    alone = VLLM.environment(whole(server() | {"network_interface": "bond0"}), CUDA, None)
    assert "NCCL_SOCKET_IFNAME" not in alone


@pytest.mark.parametrize(
    ("devices", "told"),
    [
        (["mlx5_0", "mlx5_1:1"], {"NCCL_IB_HCA": "=mlx5_0,mlx5_1:1"}),
        ([], {"NCCL_IB_DISABLE": "1"}),
    ],
)
def test_the_devices_between_servers_are_those_that_are_declared(
    devices: list[str], told: dict[str, str]
) -> None:
    chat = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"])
    boxes = cluster(2, rdma_devices=devices)
    for each in plan(load_fleet(hosts(boxes, {"chat": chat}))).replicas:
        environment = VLLM.environment(each, CUDA, None)
        assert {k: v for k, v in environment.items() if k.startswith("NCCL_IB")} == told
    alone = VLLM.environment(whole(server() | {"rdma_devices": devices}), CUDA, None)
    assert not told.keys() & alone.keys()


def test_a_start_ends_by_our_limit_alone() -> None:
    assert VLLM.environment(whole(server()), CUDA, None)["VLLM_ENGINE_READY_TIMEOUT_S"] == "1800"
    assert "distributed-timeout" not in " ".join(words(whole(server())))
