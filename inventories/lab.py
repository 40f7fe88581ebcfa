"""The lab: three real hosts on this machine (`make lab-up`). Only their GPUs are imitated."""

gpu_servers = [
    (
        "@rackwright/gpu1",
        {
            "server": {
                "address": "198.18.0.11",
                "gpus": {"type": "h200-sxm-141gb", "count": 2},
                "interconnect": "nvlink",
            },
        },
    ),
    (
        "@rackwright/gpu2",
        {
            "server": {
                "address": "198.18.0.12",
                "gpus": {"type": "h200-sxm-141gb", "count": 1},
                "interconnect": "none",
            },
        },
    ),
]

gateways = [
    ("@rackwright/gw1", {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}}),
]

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["gpu1", "gpu2"],
        "max_model_len": 1024,
        "objective": "latency",
        # A model this small gains nothing from two GPUs; the lab shows that it works.
        "tensor_parallel_size": {"gpu1": 2},
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}

all = (gpu_servers + gateways, {"services": _services, "models": _models})
