"""What programs read of a plan stays as it is, however the plan's own classes change."""

from __future__ import annotations

import json

from rackwright.inventory.reading import load_fleet
from rackwright.planning.placing import plan
from rackwright.report import plan_document
from tests.samples.fleet import cluster, hosts, service

REPLICA = [
    "name",
    "service",
    "server",
    "index",
    "engine",
    "model",
    "served_model_name",
    "gpus",
    "gpu",
    "interconnect",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "expert_parallel",
    "data_parallel_size",
    "decode_context_parallel_size",
    "max_model_len",
    "address",
    "port",
    "gpu_memory_utilization",
    "max_num_seqs",
    "max_num_batched_tokens",
    "quantization",
    "kv_cache_dtype",
    "enforce_eager",
    "extra_args",
    "memory",
    "dealt",
    "alone",
    "between",
    "busy",
    "gguf",
    "mmproj",
    "node_rank",
    "node_addresses",
    "master_port",
    "network_interface",
    "dtype",
    "weights",
    "images",
    "audios",
    "task",
]
REJECTED = [
    "service",
    "server",
    "nodes",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "expert_parallel",
    "data_parallel_size",
    "decode_context_parallel_size",
    "by_layers",
    "replicas",
    "feasible",
    "reason",
    "tpot_ms",
    "out_tok_s",
    "requests",
]


def test_the_keys_are_those_programs_know() -> None:
    spread = service("llama-3.1-405b-instruct", servers=["gpu1", "gpu2"], max_model_len=8192)
    spec = load_fleet(hosts(cluster(2), {"chat": spread}))
    document = json.loads(json.dumps(plan_document(plan(spec))))
    keys = ["servers", "replicas", "upstreams", "rejected", "routers", "records"]
    assert list(document) == keys
    first, second = document["replicas"]
    assert list(first) == list(second) == REPLICA
    assert (first["node_rank"], second["node_rank"]) == (0, 1)
    assert first["node_addresses"] == second["node_addresses"] == ["192.0.2.11", "192.0.2.12"]
    assert first["alone"]["concurrency"] == 1 < first["busy"]["concurrency"]
    assert list(document["rejected"][0]) == REJECTED
    (upstream,) = document["upstreams"]
    assert list(upstream) == ["service", "served_model_name", "replicas"]
    assert upstream["replicas"] == [first]
