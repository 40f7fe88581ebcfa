"""Two GPUs of this machine, joined by NVLink, serve an 8B model with random weights together.

Multicast over NVLink stays off: the switch may be shared with GPUs that are not ours. Other
layouts: `python -m benchmarks.sweep.layouts 8b-pp2 > inventories/mine.py` on the machine itself.
"""

_host = {
    "server": {
        "address": "127.0.0.1",
        "gpus": {"type": "h100-sxm-80gb", "count": 2},
        "interconnect": "nvswitch",
        "fabric_manager": "host",  # a machine that has all of a board's GPUs leaves this out
    },
    "gateway": {"server_name": "localhost"},
    "driver_source": "none",
    "reboot": "never",
    "start_timeout_s": 600,
    "engine_environment": {
        "NCCL_NVLS_ENABLE": "0",
        "TORCH_SYMM_MEM_DISABLE_MULTICAST": "1",
        "NVSHMEM_DISABLE_NVLS": "1",
        "VLLM_ALLREDUCE_USE_SYMM_MEM": "0",
    },
}

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "engine": "vllm",
        "servers": ["@local"],
        "path": "/srv/models/llama-3.1-8b-instruct",
        "extra_args": {"load-format": "dummy"},
        "max_model_len": 8192,
        "objective": "latency",
        "tensor_parallel_size": 2,
    },
}

boxes = [("@local", _host)]

all = (boxes, {"services": _services})
