from __future__ import annotations

from typing import Any

import pytest

from rackwright.errors import PlanError
from rackwright.inventory.reading import load_fleet
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from tests.samples.fleet import cluster, config, hosts, lab_hosts, server, service
from tests.samples.inventories import fleet_of

LLAMA_70B = {"model": "llama-3.3-70b-instruct"}
LLAMA_405B = {"model": "llama-3.1-405b-instruct"}
CLOSE = 1.02


def planned_on(servers: dict[str, Any], **more: Any) -> FleetPlan:
    return plan(load_fleet(hosts(servers, {"chat": service(servers=list(servers), **more)})))


def planned(spec: dict[str, Any], **more: Any) -> FleetPlan:
    return planned_on({"gpu1": spec}, **more)


def refused_on(servers: dict[str, Any], **more: Any) -> str:
    with pytest.raises(PlanError) as caught:
        planned_on(servers, **more)
    return str(caught.value)


def refused(spec: dict[str, Any], **more: Any) -> str:
    return refused_on({"gpu1": spec}, **more)


def layout(found: FleetPlan) -> list[tuple[int, ...]]:
    return [replica.gpus for replica in found.replicas]


def split(replica: Replica) -> tuple[int, int]:
    return replica.split.tensor, replica.split.pipeline


def test_the_lab_is_split_over_two_gpus_on_one_server_and_whole_on_the_other() -> None:
    found = plan(load_fleet(lab_hosts()))
    first, second = found.on("gpu1") + found.on("gpu2")
    assert (first.name, first.split.tensor, first.gpus) == ("chat-gpu1-0", 2, (0, 1))
    assert (second.name, second.split.tensor, second.gpus) == ("chat-gpu2-0", 1, (0,))
    assert found.upstreams[0].replicas == (first, second)
    assert first.model.source.path == "/srv/models/tiny-llama"
    assert found.on("gw1") == ()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (server(count=8, link="nvswitch"), [tuple(range(8))]),
        (server(count=4, gpu="h100-nvl-94gb"), [(0, 1), (2, 3)]),
        (server(count=4, gpu="h100-sxm-80gb"), [(0, 1, 2, 3)]),
        (server(count=3, gpu="h100-nvl-94gb"), [(0, 1)]),
        ({**server(count=4), "nvlink_islands": [[0, 2], [1, 3]]}, [(0, 2), (1, 3)]),
    ],
)
def test_for_latency_a_group_is_as_large_as_the_island(spec: Any, expected: list[Any]) -> None:
    assert layout(planned(spec, **LLAMA_70B)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (server(count=4, gpu="l40s-48gb", link="pcie"), [(0,), (1,), (2,), (3,)]),
        (server(count=1, gpu="l4-24gb", link="none"), [(0,)]),
    ],
)
def test_without_nvlink_a_model_that_fits_one_gpu_stays_there(spec: Any, expected: Any) -> None:
    assert layout(planned(spec)) == expected


@pytest.mark.parametrize("gpu", ["h100-sxm-80gb", "h200-sxm-141gb"])
@pytest.mark.parametrize("link", ["nvlink", "nvswitch"])
def test_for_throughput_eight_gpus_are_eight_replicas_where_one_holds_the_model(
    gpu: str, link: str
) -> None:
    """Full GPUs give most when nothing but requests is divided between them."""
    found = planned(server(count=8, gpu=gpu, link=link), objective="throughput")
    assert layout(found) == [(index,) for index in range(8)]
    best = found.replicas[0].speeds[-1]
    assert best is not None and best.concurrency > 256
    others = [each for each in found.rejected if each.feasible and not each.reason.count("across")]
    assert {2, 4} <= {each.split.tensor for each in others}
    for each in others:
        assert each.reason == "fits, but serves throughput worse"
        assert each.requests and each.out_tok_s and each.requests > 256
        assert each.out_tok_s < 8 * best.out_tok_s


def test_a_load_that_is_stated_is_planned_for() -> None:
    """Eight requests keep no eight GPUs busy one by one: they are served together, and sooner."""
    box = server(count=8, gpu="h100-sxm-80gb", link="nvswitch")
    few = planned(box, objective="throughput", concurrency=8)
    assert few.replicas[0].split.tensor > 1
    assert sum(each.speeds[-1].concurrency for each in few.replicas if each.speeds) == 8
    many = planned(box, objective="throughput", concurrency=1600, max_model_len=2048)
    assert layout(many) == [(index,) for index in range(8)]
    assert {each.speeds[-1].concurrency for each in many.replicas if each.speeds[-1]} == {200}


@pytest.mark.parametrize("concurrency", [None, 1, 256])
def test_latency_is_of_one_request_whatever_the_load(concurrency: int | None) -> None:
    box = server(count=8, gpu="h100-sxm-80gb", link="nvswitch")
    found = planned(box, objective="latency", concurrency=concurrency)
    assert layout(found) == [tuple(range(8))]


def test_for_throughput_a_model_that_fits_one_gpu_runs_on_each() -> None:
    spec = server(count=4, gpu="l40s-48gb", link="pcie")
    assert layout(planned(spec, objective="throughput", concurrency=64)) == [
        (0,),
        (1,),
        (2,),
        (3,),
    ]


@pytest.mark.parametrize("objective", ["latency", "throughput"])
@pytest.mark.parametrize("concurrency", [1, 64, 256])
@pytest.mark.parametrize("model", ["llama-3.3-70b-instruct", "qwen3-30b-a3b", "qwen3-8b"])
def test_nothing_that_was_turned_down_serves_the_objective_better(
    model: str, concurrency: int, objective: str
) -> None:
    spec = server(count=8, link="nvswitch")
    found = planned(
        spec, model=model, objective=objective, concurrency=concurrency, max_model_len=2048
    )
    first, others = found.replicas[0], [each for each in found.rejected if each.feasible]
    assert others
    for other in others:
        assert other.tpot_ms is not None and other.out_tok_s is not None
        if objective == "latency":
            assert first.speeds[0].tpot_ms <= other.tpot_ms * CLOSE
        else:
            busy = min(concurrency, len(found.replicas))
            assert first.speeds[-1].out_tok_s * busy * CLOSE >= other.out_tok_s


def test_every_layout_that_was_not_chosen_has_a_reason() -> None:
    for name in ("prod.py", "local.py"):
        found = plan(fleet_of(name))
        assert found.rejected
        for each in found.rejected:
            assert each.reason
            assert each.feasible == each.reason.startswith("fits")
            assert each.feasible or any(map(str.isdigit, each.reason))
            assert (each.tpot_ms is None) == (each.out_tok_s is None) == (not each.feasible)


def test_across_pcie_a_model_goes_by_stages_until_the_operator_asks_for_ranks() -> None:
    spec = server(count=4, gpu="l40s-48gb", link="pcie")
    found = planned(spec, model="qwen3-32b", max_model_len=4096)
    assert {split(each)[0] for each in found.replicas} == {1}
    assert any("tensor_parallel_size=2 accepts that" in each.reason for each in found.rejected)
    found = planned(spec, model="qwen3-32b", max_model_len=4096, tensor_parallel_size=2)
    assert layout(found)[0] == (0, 1)
    assert found.replicas[0].split.tensor == 2


def test_ranks_across_pcie_are_refused_even_where_nothing_else_fits() -> None:
    spec = server(count=8, gpu="rtx-pro-6000-server-96gb", link="pcie")
    text = refused(spec, model="deepseek-v3", max_model_len=4096)
    assert "services[chat].servers[gpu1]: no layout of deepseek-v3 fits 8 x rtx-pro" in text
    assert "tensor_parallel_size=8 accepts that" in text
    found = planned(spec, model="deepseek-v3", max_model_len=4096, tensor_parallel_size=8)
    assert layout(found) == [tuple(range(8))]


def test_what_never_fits_is_refused_with_what_is_missing() -> None:
    text = refused(server(count=1, gpu="l4-24gb", link="none"), **LLAMA_70B)
    assert "TP 1: 19.7 GiB a GPU are usable, weights need 131.4" in text


def test_a_context_that_does_not_fit_is_refused_in_tokens() -> None:
    spec = server(count=1, gpu="l4-24gb", link="none")
    assert "tokens, fewer than one sequence of 131,072" in refused(spec, max_model_len=131072)


def test_graphs_must_fit_beside_the_engines_share() -> None:
    spec = server(count=1, gpu="l4-24gb", link="none")
    assert "leaves 0.2 GiB a GPU, CUDA" in refused(spec, gpu_memory_utilization=0.99)
    assert planned(spec, gpu_memory_utilization=0.9)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"tensor_parallel_size": 4}, "needs 4 GPUs a server, 2 may be used"),
        ({"tensor_parallel_size": 3}, "do not divide that way"),
        ({"replicas": 3}, "room for 2 of the 3 replicas asked for"),
        ({"pipeline_parallel_size": 4}, "TP 1 PP 4: needs 4 GPUs a server, 2 may be used"),
        ({"gpus": {"gpu1": [0]}, "tensor_parallel_size": 2}, "needs 2 GPUs a server, 1 may be"),
        ({"concurrency": 10**6}, "1000000 are wanted"),
    ],
)
def test_what_the_operator_forces_must_be_possible(more: dict[str, Any], text: str) -> None:
    assert text in refused(server(), **more)


def test_replicas_may_be_fewer_than_fit() -> None:
    found = planned(server(count=4), tensor_parallel_size=1, pipeline_parallel_size=1, replicas=3)
    assert layout(found) == [(0,), (1,), (2,)]


def test_replicas_asked_for_bound_the_group() -> None:
    assert layout(planned(server(count=4), replicas=2)) == [(0, 1), (2, 3)]


def test_a_pipeline_may_be_asked_for() -> None:
    spec = server(count=4)
    found = planned(spec, model="qwen3-32b", tensor_parallel_size=1, pipeline_parallel_size=2)
    assert layout(found) == [(0, 1), (2, 3)]
    assert {split(each) for each in found.replicas} == {(1, 2)}
    assert found.replicas[0].memory.weights_bytes < 0.55 * 2 * 32_762_123_264


def test_a_target_is_planned_for_and_refused_with_its_numbers() -> None:
    goal = {"sequences": 64, "tokens": 8192, "tpot_ms": 50}
    found = planned(server(count=8, link="nvswitch"), objective=goal)
    total = sum(replica.memory.sequences for replica in found.replicas)
    assert total >= 64
    assert all(replica.speeds[-1].tpot_ms <= 50 for replica in found.replicas)
    hasty = refused(server(), objective={**goal, "tpot_ms": 0.01})
    assert "ms a token with 64 sequences of 8,192, 0.01 are wanted" in hasty
    many = refused(server(), objective={**goal, "sequences": 5000})
    assert "sequences of 8,192, 5000 are wanted" in many


def test_what_the_service_says_of_the_engine_is_in_the_plan() -> None:
    more = {"kv_cache_dtype": "fp8", "quantization": "fp8", "enforce_eager": True}
    found = planned(server(count=1, link="none"), **more)
    plain = planned(server(count=1, link="none")).replicas[0].memory
    (replica,) = found.replicas
    assert (
        replica.limits.kv_cache_dtype,
        replica.service.quantization,
        replica.limits.enforce_eager,
    ) == (
        "fp8",
        "fp8",
        True,
    )
    assert replica.memory.weights_bytes < 0.6 * plain.weights_bytes
    assert replica.memory.kv_cache_tokens > 2 * plain.kv_cache_tokens
    assert replica.memory.cuda_graph_bytes == 0


# --- several services on a server ------------------------------------------------------------


def two(**more: Any) -> FleetPlan:
    first = service(gpus={"gpu1": [0, 1]}, tensor_parallel_size=1, pipeline_parallel_size=1, **more)
    second = service(gpus={"gpu1": [3]}, served_model_name="b")
    return plan(load_fleet(hosts({"gpu1": server(count=4)}, {"a": first, "b": second})))


def beside(first: dict[str, Any], port: int) -> FleetPlan:
    own = service(gpus={"gpu1": [0, 1]}, tensor_parallel_size=1, pipeline_parallel_size=1, **first)
    second = service(gpus={"gpu1": [3]}, served_model_name="b", port=port)
    return plan(load_fleet(hosts({"gpu1": server(count=4)}, {"a": own, "b": second})))


def test_ports_count_up_on_a_server() -> None:
    assert [replica.port for replica in two().replicas] == [8000, 8001, 8002]


def test_running_ports_skip_those_that_are_given() -> None:
    assert [replica.port for replica in beside({}, 8001).replicas] == [8000, 8002, 8001]


def test_given_ports_that_run_into_another_are_refused() -> None:
    with pytest.raises(PlanError, match=r"services\[b\].port: port 8001 of gpu1 is taken by a"):
        beside({"port": 8000}, 8001)


def test_a_replica_does_not_take_the_gateways_port() -> None:
    data = hosts({"gpu1": server()})
    data["gpu1"]["gateway"] = {"server_name": "llm.example.com", "port": 8000}
    assert plan(load_fleet(data)).replicas[0].port == 8001


def test_no_port_is_left() -> None:
    text = refused(server(), tensor_parallel_size=1, pipeline_parallel_size=1, port=65535)
    assert "leaves no room below 65535" in text


def test_services_that_share_a_server_must_say_which_gpus() -> None:
    services = {"a": service(), "b": service(served_model_name="b", gpus={"gpu1": [0]})}
    with pytest.raises(PlanError, match=r"services\[a\].gpus: must say which GPUs of gpu1"):
        plan(load_fleet(hosts(services=services)))


def test_two_replicas_never_have_one_name() -> None:
    services = {
        "a": service(servers=["b-gpu1"]),
        "a-b": service(servers=["gpu1"], served_model_name="b"),
    }
    fleet = load_fleet(hosts({"b-gpu1": server(11), "gpu1": server(12)}, services))
    with pytest.raises(PlanError, match="would both be named a-b-gpu1-0"):
        plan(fleet)


def test_the_plan_is_pinned_and_complete() -> None:
    replica = planned(server(), max_num_seqs=4096).replicas[0]
    assert replica.model.source.pinned
    assert (replica.limits.max_num_seqs, replica.limits.max_num_batched_tokens) == (4096, 8192)
    assert replica.memory.kv_cache_tokens >= replica.limits.max_model_len


def test_a_step_has_room_for_a_token_of_every_sequence() -> None:
    replica = planned(server(), max_num_seqs=4096, max_num_batched_tokens=1024).replicas[0]
    assert (replica.limits.max_num_seqs, replica.limits.max_num_batched_tokens) == (4096, 4096)


def test_the_local_host_is_named_without_its_sign() -> None:
    names = [replica.name for replica in plan(fleet_of("local.py")).on("@local")]
    assert names == ["chat-local-0", "chat-local-1"]


# --- a replica over several servers ----------------------------------------------------------


def test_a_replica_spans_as_many_servers_as_it_needs_and_no_more() -> None:
    found = planned_on(cluster(2), **LLAMA_405B)
    first, second = found.replicas
    assert (first.name, first.server.name, first.span.rank) == ("chat-gpu1-0", "gpu1", 0)
    assert (second.name, second.server.name, second.span.rank) == ("chat-gpu1-0", "gpu2", 1)
    assert split(first) == split(second)
    assert first.gpus == second.gpus == tuple(range(len(first.gpus)))
    assert first.split.tensor * first.split.pipeline == 2 * len(first.gpus)
    assert first.span.addresses == second.span.addresses == ("192.0.2.11", "192.0.2.12")
    assert not any(each.span for each in planned_on(cluster(2)).replicas)


def test_four_servers_hold_two_replicas_of_two() -> None:
    found = planned_on(cluster(4), **LLAMA_405B)
    assert [(each.name, each.server.name, each.span.rank) for each in found.replicas] == [
        ("chat-gpu1-0", "gpu1", 0),
        ("chat-gpu1-0", "gpu2", 1),
        ("chat-gpu3-0", "gpu3", 0),
        ("chat-gpu3-0", "gpu4", 1),
    ]
    assert found.replicas[2].span.addresses == ("192.0.2.13", "192.0.2.14")


def test_only_the_first_server_of_a_replica_takes_requests() -> None:
    found = planned_on(cluster(4), **LLAMA_405B)
    assert [each.server.name for each in found.upstreams[0].replicas] == ["gpu1", "gpu3"]
    assert [each.answers for each in found.replicas] == [True, False, True, False]


def test_the_servers_of_a_replica_find_one_another_by_one_port() -> None:
    first, second = planned_on(cluster(2), **LLAMA_405B, port=8100).replicas
    assert first.port == second.port == 8100
    assert first.span.master_port == second.span.master_port != first.port
    assert planned(server()).replicas[0].span is None


def test_several_servers_may_be_asked_for() -> None:
    found = planned_on(cluster(2), servers_per_replica=2)
    assert {each.span.rank for each in found.replicas} == {0, 1}
    assert len(found.upstreams[0].replicas) == len(found.replicas) // 2


def test_ranks_stay_inside_a_server_and_stages_go_across() -> None:
    found = planned_on(cluster(2), **LLAMA_405B)
    for each in found.rejected:
        assert each.split.pipeline % each.nodes == 0
        assert each.split.tensor <= 8
    first = found.replicas[0]
    assert first.split.tensor <= 8 and first.split.pipeline % 2 == 0


def test_ranks_go_from_server_to_server_only_when_asked_to() -> None:
    sizes = {"tensor_parallel_size": 16, "pipeline_parallel_size": 1}
    first, second = planned_on(cluster(2), **LLAMA_405B, servers_per_replica=2, **sizes).replicas
    assert split(first) == split(second) == (16, 1)
    inside = planned_on(cluster(2), **LLAMA_405B).replicas[0]
    assert first.speeds[0].tpot_ms > inside.speeds[0].tpot_ms


def test_the_network_between_servers_is_in_the_prediction() -> None:
    speeds = [
        planned_on(
            cluster(2, network_gbit_per_s=speed),
            **LLAMA_405B,
            tensor_parallel_size=8,
            pipeline_parallel_size=2,
        )
        .replicas[0]
        .speeds[-1]
        .ttft_ms
        for speed in (1, 10, 400)
    ]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[0] > speeds[-1]


H100 = server(11, "h100-sxm-80gb", 8, "nvswitch")
SPAN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "mixed GPU types": (
        {"gpu1": H100, "gpu2": server(12, "a100-sxm-80gb", 8, "nvswitch")},
        {},
        "a replica cannot span mixed GPU types (gpu1 h100-sxm-80gb, gpu2 a100-sxm-80gb)",
    ),
    "other servers": (
        {"gpu1": H100, "gpu2": server(12, "h100-sxm-80gb", 4, "nvswitch")},
        {},
        "a replica cannot span servers that are built differently (gpu1, gpu2)",
    ),
    "another network": (
        {"gpu1": H100, "gpu2": {**H100, "address": "192.0.2.12", "network_gbit_per_s": 100}},
        {},
        "a replica cannot span servers that are built differently (gpu1, gpu2)",
    ),
    "too few servers": (
        cluster(3),
        {},
        "services[chat].servers[gpu3]: a replica takes 2 servers, 1 are left for this one",
    ),
    "stages that do not divide": (
        cluster(2),
        {"tensor_parallel_size": 1, "pipeline_parallel_size": 3},
        "3 GPUs do not divide over 2 servers",
    ),
    "other GPUs of each": (
        cluster(2),
        {"gpus": {"gpu1": [0, 1], "gpu2": [2, 3]}},
        "gpus and tensor_parallel_size must be the same on all servers of a replica",
    ),
    "other sizes of each": (
        cluster(2),
        {"tensor_parallel_size": {"gpu1": 1, "gpu2": 4}},
        "gpus and tensor_parallel_size must be the same on all servers of a replica",
    ),
    "too little memory even so": (
        cluster(2, 1, "l4-24gb", "none"),
        {"model": "llama-3.3-70b-instruct"},
        "no layout of llama-3.3-70b-instruct fits 2 servers of 1 x l4-24gb (none): TP 1 PP 2: ",
    ),
}


@pytest.mark.parametrize(("servers", "more", "text"), SPAN.values(), ids=SPAN)
def test_servers_that_cannot_hold_one_replica_together_are_refused(
    servers: dict[str, Any], more: dict[str, Any], text: str
) -> None:
    assert text in refused_on(servers, servers_per_replica=2, **more)


def test_ranks_are_kept_together_where_all_their_servers_have_a_watchdog() -> None:
    chat = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"])
    data = hosts(cluster(2), {"chat": chat})
    assert all(one.kept_together for one in plan(load_fleet(data)).replicas)
    for name in ("gpu1", "gpu2"):
        data[name] = {**data[name], "watchdog": "off"}
    assert not any(one.kept_together for one in plan(load_fleet(data)).replicas)
    data["gpu1"] = {**data["gpu1"], "watchdog": "on"}
    with pytest.raises(PlanError, match="watchdog must be the same on all servers of a replica"):
        plan(load_fleet(data))
    assert not planned(server()).replicas[0].kept_together, "it has no ranks elsewhere"


def test_servers_that_differ_are_planned_each_alone() -> None:
    found = planned_on({"gpu1": H100, "gpu2": server(12, count=1, link="none")})
    assert not any(each.span for each in found.replicas)
    assert {each.server.name for each in found.replicas} == {"gpu1", "gpu2"}
    text = refused_on({"gpu1": H100, "gpu2": server(12, count=1, link="none")}, **LLAMA_405B)
    assert "servers[gpu1]: no layout of" in text and "servers[gpu2]: no layout of" in text


def test_one_gpu_a_server_makes_a_pipeline_over_the_network() -> None:
    found = planned_on(cluster(2, 1, "gh200-96gb", "none"), **LLAMA_70B)
    assert [split(each) for each in found.replicas] == [(1, 2), (1, 2)]
    assert layout(found) == [(0,), (0,)]


def test_an_own_mixture_is_planned_from_its_config_alone() -> None:
    own = {"path": "/srv/models/own", "config": config("qwen3-30b-a3b")}
    services = {"own": service("own", revision=...)}
    found = plan(load_fleet(hosts(services=services, models={"own": own})))
    assert found.replicas
    assert any(each.split.expert_parallel for each in found.rejected)
