"""The plan as a stable document for programs: its keys do not follow the classes of the plan."""

from __future__ import annotations

from typing import Any

from rackwright.plan import FleetPlan, RejectedLayout, Replica, Speed
from rackwright.report.images import images_document
from rackwright.report.weights import weights_document
from rackwright.sizing.dealing import Dealt


def plan_document(plan: FleetPlan) -> dict[str, Any]:
    """What `rackwright plan --json` prints, ready for JSON."""
    return {
        "servers": {name: server.model_dump(mode="json") for name, server in plan.servers.items()},
        "replicas": [_replica(replica) for replica in plan.replicas],
        "upstreams": [
            {
                "service": upstream.service.name,
                "served_model_name": upstream.service.served_as,
                "replicas": [_replica(replica) for replica in upstream.replicas],
            }
            for upstream in plan.upstreams
        ],
        "rejected": [_rejected(layout) for layout in plan.rejected],
        "routers": [
            {
                "name": router.name,
                "service": router.service.name,
                "kind": router.kind,
                "gateway": router.gateway,
                "port": router.port,
                "metrics_port": router.metrics_port,
            }
            for router in plan.routers
        ],
        "records": {record.name: list(record.addresses) for record in plan.records},
    }


def _replica(replica: Replica) -> dict[str, Any]:
    service, server, span = replica.service, replica.server, replica.span
    return {
        "name": replica.name,
        "service": service.name,
        "server": server.name,
        "index": replica.index,
        "engine": service.engine,
        "model": replica.model.model_dump(mode="json"),
        "served_model_name": service.served_as,
        "gpus": list(replica.gpus),
        "gpu": server.gpus.type,
        "interconnect": server.interconnect,
        "tensor_parallel_size": replica.split.tensor,
        "pipeline_parallel_size": replica.split.pipeline,
        "expert_parallel": replica.split.expert_parallel,
        "data_parallel_size": replica.split.data,
        "decode_context_parallel_size": replica.split.context,
        "max_model_len": replica.limits.max_model_len,
        "address": server.address,
        "port": replica.port,
        "gpu_memory_utilization": replica.limits.gpu_memory_utilization,
        "max_num_seqs": replica.limits.max_num_seqs,
        "max_num_batched_tokens": replica.limits.max_num_batched_tokens,
        "quantization": service.quantization,
        "kv_cache_dtype": replica.limits.kv_cache_dtype,
        "enforce_eager": replica.limits.enforce_eager,
        "extra_args": service.extra_args,
        "memory": replica.memory.model_dump(mode="json"),
        "dealt": [_dealt(gpu, one) for gpu, one in zip(replica.gpus, replica.dealt, strict=False)],
        **_speeds(replica.speeds),
        "gguf": replica.gguf.model_dump(mode="json") if replica.gguf else None,
        "mmproj": replica.mmproj.model_dump(mode="json") if replica.mmproj else None,
        "node_rank": span.rank if span else 0,
        "node_addresses": list(span.addresses) if span else [],
        "master_port": span.master_port if span else None,
        "network_interface": replica.network_interface,
        "dtype": replica.dtype,
        "weights": None if replica.gguf else weights_document(replica.model.shape),
        "images": _items(replica, "images"),
        "audios": _items(replica, "audios"),
        "task": replica.task,
    }


def _dealt(gpu: int, dealt: Dealt) -> dict[str, Any]:
    """What one GPU has: layers from the first up to the end."""
    memory = dealt.memory.model_dump(mode="json")
    layers = {"first_layer": dealt.first, "end_layer": dealt.end, "head": dealt.head}
    return {"gpu": gpu, **layers, "memory": memory}


def _items(replica: Replica, kind: str) -> dict[str, Any] | None:
    if replica.gguf:
        return None
    shape = replica.service.shape_of(replica.model)
    return images_document(shape, replica.split, replica.limits, kind)


def _speeds(speeds: tuple[Speed, ...]) -> dict[str, Any]:
    shown = [speed.model_dump(mode="json") for speed in speeds]
    return {
        "alone": shown[0] if shown else None,
        "between": shown[1:-1],
        "busy": shown[-1] if shown else None,
    }


def _rejected(layout: RejectedLayout) -> dict[str, Any]:
    return {
        "service": layout.service,
        "server": layout.server,
        "nodes": layout.nodes,
        "tensor_parallel_size": layout.split.tensor,
        "pipeline_parallel_size": layout.split.pipeline,
        "expert_parallel": layout.split.expert_parallel,
        "data_parallel_size": layout.split.data,
        "decode_context_parallel_size": layout.split.context,
        **layout.model_dump(mode="json", exclude={"service", "server", "nodes", "split"}),
    }
