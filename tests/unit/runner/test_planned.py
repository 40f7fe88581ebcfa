"""What the checks are told of the plan, and what hosts are asked."""

from __future__ import annotations

from typing import Any

import pytest

from rackwright.checks.planned import (
    GpuSettings,
    PlannedHost,
    PlannedRank,
    PlannedReplica,
    PlannedServer,
    PlannedService,
)
from rackwright.checks.replica import version
from rackwright.checks.results import Status
from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.report.reading import FIGURES
from rackwright.runner import observing
from rackwright.runner.fleet import FleetRun
from rackwright.runner.paths_between import paths_of, transfers_of
from rackwright.runner.planned import RELEASE_BYTES, planned
from rackwright.runner.steps.rank import figures_request
from tests.samples.engines import GGUF
from tests.samples.engines import SETTINGS as ENGINES
from tests.samples.fleet import cluster, hosts, lab_hosts, server, service

GIB = 1024**3


def fleet_of(data: dict[str, dict[str, Any]]) -> FleetRun:
    spec = load_fleet(data)
    return FleetRun(spec, plan(spec))


def told(fleet: FleetRun, kind: type, load: bool = True) -> list[Any]:
    found = planned(fleet, list(fleet.spec.settings), load)
    return [one for one in found if isinstance(one, kind)]


def test_a_replica_on_gpus_is_told_what_was_predicted_of_it() -> None:
    fleet = fleet_of(hosts(services={"chat": service(tensor_parallel_size=2)}))
    (one,) = told(fleet, PlannedReplica)
    (replica,) = fleet.plan.replicas
    assert one.predicted == (
        replica.memory.kv_cache_tokens,
        replica.speeds,
    )
    assert (one.gpus, one.tensor_parallel_size, one.burst) == ((0, 1), 2, True)
    assert one.version == "0.32.0"
    assert {"requests_running", "kv_cache_tokens"} <= set(one.figures)
    assert not told(fleet, PlannedReplica, load=False)[0].burst


def test_without_gpus_nothing_is_predicted_and_no_burst_is_sent() -> None:
    fleet = fleet_of({name: {**data, "vllm_build": "cpu"} for name, data in lab_hosts().items()})
    replicas = told(fleet, PlannedReplica)
    assert [(one.predicted, one.burst) for one in replicas] == [(None, False)] * 2
    assert not any(server.engines_use_gpus for server in told(fleet, PlannedServer))
    requests = [
        observing._replica_request(replica, fleet.settings(replica.server.name), load=True)
        for replica in fleet.plan.replicas
    ]
    assert [request["burst"] for request in requests] == [None, None]


def test_what_is_declared_of_gpus_is_verified() -> None:
    gpus = {"type": "l40s-48gb", "count": 2, "power_limit_w": 300, "ecc": False}
    box = {**server(link="pcie"), "gpus": {**gpus, "pcie_lanes": [16, 8], "pcie_generation": 3}}
    (one,) = told(fleet_of(hosts({"gpu1": box})), PlannedServer)
    assert one.gpu_settings == {
        0: GpuSettings(300, False, False, 16, 3),
        1: GpuSettings(300, False, False, 8, 3),
    }
    assert (one.gpu.memory_mib, one.gpu.pcie_lanes, one.gpu.pcie_generation) == (49139, 8, 3)


def test_what_is_declared_of_each_type_is_by_the_indexes_of_its_gpus() -> None:
    own = {"type": "l40s-48gb", "count": 2, "indexes": [3, 1], "pcie_lanes": [16, 8]}
    other = {"type": "rtx-4090-24gb", "count": 1, "indexes": [2], "ecc": True}
    box = {**server(link="pcie"), "gpus": own, "other_gpus": [other]}
    data = hosts({"gpu1": box}, {"chat": service(gpus={"gpu1": [1]})})
    (one,) = told(fleet_of(data), PlannedServer)
    assert one.gpu_settings == {
        1: GpuSettings(pcie_lanes=16),
        2: GpuSettings(ecc=True),
        3: GpuSettings(pcie_lanes=8),
    }
    assert {index: gpu.memory_mib for index, gpu in one.declared.items()} == {
        1: 46068,
        2: 23028,
        3: 46068,
    }


@pytest.mark.parametrize(("load", "loaded"), [(True, True), (False, False)])
def test_a_burst_is_asked_for_on_gpus_unless_it_is_left_out(load: bool, loaded: bool) -> None:
    fleet = fleet_of(hosts())
    (replica,) = fleet.plan.replicas
    request = observing._replica_request(replica, fleet.settings("gpu1"), load)
    assert (request["burst"] is not None) == loaded
    if loaded:
        assert request["burst"]["gpus"] == replica.gpus
        assert request["burst"]["requests"] <= 8 and request["burst"]["most_s"] <= 3


@pytest.mark.parametrize(
    ("model", "path"), [("bge-m3", "/v1/embeddings"), ("bge-reranker-v2-m3", "/classify")]
)
def test_what_does_not_write_is_asked_for_what_it_makes(model: str, path: str) -> None:
    fleet = fleet_of(hosts(services={"embed": service(model)}))
    (replica, *_), question = fleet.plan.replicas, {"model": model, "input": "Hi"}
    request = observing._replica_request(replica, fleet.settings("gpu1"), load=True)
    assert (request["completions_path"], request["question"]) == (path, question)
    assert (request["delivery"], request["burst"]) == (None, None)
    assert "tokens_generated" not in request["figures"]
    assert "tokens_generated" not in figures_request(replica, FIGURES)["figures"]
    upstream = fleet.plan.upstreams[0]
    assert observing._canary_of(upstream) == {"path": path, "question": question}
    one, (gateway,) = told(fleet, PlannedReplica)[0], told(fleet, PlannedService)
    assert one.task == gateway.task == replica.task and not one.keeps_tokens
    assert (one.predicted, one.burst) == (None, False)


def test_what_has_no_cache_may_hold_less_than_its_share() -> None:
    for model, even in (("bge-m3", False), ("qwen3-embedding-0.6b", True)):
        (one,) = told(fleet_of(hosts(services={"embed": service(model)})), PlannedServer)
        assert {tenant.even for tenant in one.tenants} == {even}


def test_what_writes_is_asked_as_ever() -> None:
    fleet = fleet_of(hosts())
    (replica,), (upstream,) = fleet.plan.replicas, fleet.plan.upstreams
    request = observing._replica_request(replica, fleet.settings("gpu1"), load=True)
    assert (request["question"], observing._canary_of(upstream)) == (None, {})
    assert request["completions_path"] == "/v1/chat/completions"


def test_what_is_asked_for_fits_into_the_longest_request() -> None:
    fleet = fleet_of(hosts(services={"chat": service(max_model_len=96, max_num_seqs=4)}))
    (replica,) = fleet.plan.replicas
    request = observing._replica_request(replica, fleet.settings("gpu1"), load=True)
    assert (request["delivery"]["tokens"], request["burst"]["tokens"]) == (48, 48)
    assert request["burst"]["requests"] == 4


def test_the_later_servers_of_a_replica_get_no_burst() -> None:
    servers = cluster(2, network_gbit_per_s=100)
    wide = service("llama-3.1-70b-instruct", servers=["gpu1", "gpu2"], servers_per_replica=2)
    fleet = fleet_of(hosts(servers, {"chat": wide}))
    assert [one.burst for one in told(fleet, PlannedReplica)] == [True, False]


def test_each_rank_knows_the_others_and_the_network_that_is_planned_with() -> None:
    servers = cluster(2, network_gbit_per_s=100, network_interface="bond0", rdma_devices=["mlx5_0"])
    wide = service("llama-3.1-70b-instruct", servers=["gpu1", "gpu2"], servers_per_replica=2)
    fleet = fleet_of(hosts(servers, {"chat": wide}))
    first, second = told(fleet, PlannedRank)
    assert (first.rank, first.host, second.rank, second.host) == (0, "gpu1", 1, "gpu2")
    assert first.servers == second.servers == ("gpu1", "gpu2")
    assert (first.gbit_per_s, first.rdma_devices, first.kept_together) == (100, ("mlx5_0",), True)
    assert not told(fleet_of(hosts()), PlannedRank)
    observed = {"gpu2": {"network": {"rdma": []}, "replicas": {"chat-gpu1-0": {"rank": {"a": 1}}}}}
    assert first.beside(observed) == {
        "others": {"gpu2": {"rank": {"a": 1}, "network": {"rdma": []}}}
    }
    assert second.beside({}) == {"others": {"gpu1": {"rank": {}, "network": {}}}}


def test_both_ends_of_a_way_between_servers_agree_on_it() -> None:
    wide = service("llama-3.1-70b-instruct", servers=[f"gpu{n}" for n in (1, 2, 3, 4)])
    wide |= {"servers_per_replica": 4, "tensor_parallel_size": 8, "pipeline_parallel_size": 4}
    paths = paths_of(fleet_of(hosts(cluster(4), {"chat": wide})))
    assert [(one.host, one.peer) for one, _ in paths] == [
        ("gpu1", "gpu2"),
        ("gpu1", "gpu3"),
        ("gpu1", "gpu4"),
    ]
    listening, sending = transfers_of(paths, "gpu1"), transfers_of(paths, "gpu3")
    assert [one["listens"] for one in listening] == [True] * 3
    assert len({one["port"] for one in listening}) == 3
    (one,) = sending
    other = next(each for each in listening if each["peer"] == "gpu3")
    assert one == {**other, "peer": "gpu1", "listens": False}
    assert one["address"] == "192.0.2.11"
    assert one["wait_s"] > 2 * one["seconds"], "it waits for two before it"


def test_every_gpu_knows_its_tenants_and_their_memory() -> None:
    fleet = fleet_of(hosts())
    (server,) = told(fleet, PlannedServer)
    (replica,) = fleet.plan.replicas
    memory = replica.memory
    assert [tenant.gpu for tenant in server.tenants] == list(replica.gpus)
    assert {tenant.most_bytes for tenant in server.tenants} == {
        memory.usable_bytes + memory.outside_bytes
    }


def test_folders_of_hosts_and_the_room_their_next_version_takes() -> None:
    gpu1, gw1 = told(fleet_of(hosts()), PlannedHost)
    assert (gpu1.host, gw1.host) == ("gpu1", "gw1")
    assert [folder.what for folder in gw1.folders] == ["logs"]
    logs, releases, weights = gpu1.folders
    assert (releases.path, releases.next_bytes) == ("/opt/rackwright", RELEASE_BYTES)
    assert weights.path == "/var/lib/rackwright/models"
    assert 14.9 * GIB < weights.next_bytes < 15.1 * GIB  # Llama 3.1 8B in bfloat16
    assert (logs.path, logs.next_bytes) == ("/var/log", 4 * GIB)


def test_weights_of_the_operators_own_need_no_room_beside_them() -> None:
    gpu1, *_ = told(fleet_of(lab_hosts()), PlannedHost)
    assert gpu1.folders[-1] == ("/srv/models/tiny-llama", "weights", 0)


def test_a_service_knows_its_replicas() -> None:
    fleet = fleet_of(lab_hosts())
    (one,) = told(fleet, PlannedService)
    assert one.addresses == ("192.0.2.11:8000", "192.0.2.12:8000")
    assert one.replicas == ("chat-gpu1-0", "chat-gpu2-0")


def test_only_the_hosts_asked_about_are_planned() -> None:
    fleet = fleet_of(lab_hosts())
    assert {one.host for one in planned(fleet, ["gpu2"])} == {"gpu2"}


def test_the_pinned_version_is_the_one_that_is_checked() -> None:
    (one,) = told(fleet_of(hosts()), PlannedReplica)
    seen = {"version": {"status": 200, "body": {"version": "0.31.0"}}}
    assert version.CHECK.ask(one, seen).status is Status.CRITICAL


def test_each_gpu_of_a_replica_over_two_types_is_judged_by_its_own_memory() -> None:
    box = {"address": "192.0.2.11", "gpus": {"type": "rtx-3090-24gb", "count": 1, "indexes": [0]}}
    box["other_gpus"] = [{"type": "rtx-3060-12gb", "count": 1, "indexes": [1]}]
    asked = {"engine": "llamacpp", "gguf": {**GGUF, "size_bytes": 26 * GIB}, "max_num_seqs": 1}
    chat = service("llama-3.3-70b-instruct", revision=..., gpus={"gpu1": [0, 1]}, **asked)
    fleet = fleet_of(hosts({"gpu1": box}, {"chat": chat}, **ENGINES))
    (planned_server,) = told(fleet, PlannedServer)
    (replica,) = fleet.plan.replicas
    big, small = planned_server.tenants
    assert (big.gpu, small.gpu) == (0, 1)
    assert big.most_bytes > 1.9 * small.most_bytes
    for tenant, dealt in zip((big, small), replica.dealt, strict=True):
        assert tenant.most_bytes == dealt.memory.usable_bytes + dealt.memory.outside_bytes


@pytest.mark.parametrize(("experts", "even"), [(60, False), (64, True)])
def test_ranks_that_have_an_expert_less_are_not_told_to_hold_as_much(
    experts: int, even: bool
) -> None:
    config = {
        "architectures": ["Qwen2MoeForCausalLM"],
        **{"hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 4},
        **{"num_attention_heads": 16, "num_key_value_heads": 16, "vocab_size": 151936},
        **{"max_position_embeddings": 8192, "num_experts": experts, "num_experts_per_tok": 4},
        **{"moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632},
    }
    own = {"path": "/srv/models/own", "config": config}
    asked = service("own", tensor_parallel_size=8, expert_parallel=True, revision=...)
    box = {"gpu1": server(count=8, link="nvswitch")}
    fleet = fleet_of(hosts(box, {"chat": asked}, models={"own": own}))
    (one,) = told(fleet, PlannedServer)
    assert {tenant.even for tenant in one.tenants} == {even}
