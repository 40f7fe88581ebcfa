"""Variables of an engine's process that several engines share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rackwright.errors import Fault, PlanError

if TYPE_CHECKING:
    from rackwright.plan import Replica

OF_THE_PLACE = (
    *("CUDA_VISIBLE_DEVICES", "VLLM_HOST_IP"),
    *("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME", "NCCL_IB_HCA"),
)
"""Variables that say where a process is: nothing that it compiles depends on them."""


def visible_gpus(replica: Replica, gpu_uuids: Sequence[str] | None) -> dict[str, str]:
    """CUDA's choice of GPUs. UUIDs do not move when a card is lost; an index then means another.

    Raises PlanError where the host shows fewer GPUs than planned.
    """
    if gpu_uuids is not None and max(replica.gpus) >= len(gpu_uuids):
        rule = f"{replica.name} needs GPU {max(replica.gpus)}, the host shows {len(gpu_uuids)} GPUs"
        raise PlanError([Fault(f"servers[{replica.server.name}].gpus.count", rule)])
    chosen = [gpu_uuids[i] if gpu_uuids is not None else str(i) for i in replica.gpus]
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(chosen)}


def torch_caches(cache: str) -> dict[str, str]:
    """Where PyTorch, Triton and Hugging Face's libraries write, below the replica's ``cache``."""
    return {
        "XDG_CACHE_HOME": cache,
        "HF_HOME": f"{cache}/huggingface",
        "TORCHINDUCTOR_CACHE_DIR": f"{cache}/torchinductor",
        "TRITON_CACHE_DIR": f"{cache}/triton",
    }


def socket_interfaces(replica: Replica) -> dict[str, str]:
    """What the processes of a replica that spans servers find one another over, and talk over.

    NCCL takes a name for the beginning of one (bond0 of bond0.12, mlx5_1 of mlx5_10), unless it
    begins with "=" (NCCL's environment variables). Without names it chooses itself.
    """
    found = {}
    if interface := replica.network_interface:
        found = {"NCCL_SOCKET_IFNAME": f"={interface}", "GLOO_SOCKET_IFNAME": interface}
    if devices := replica.rdma_devices:
        found["NCCL_IB_HCA"] = f"={','.join(devices)}"
    elif devices is not None:
        found["NCCL_IB_DISABLE"] = "1"
    return found
