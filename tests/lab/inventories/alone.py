"""The lab's box, which deploys to itself: what inventories/local.py is, with the CPU build."""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["@local"],
        "max_model_len": 1024,
        "objective": "throughput",
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}

lab = [
    (
        "@local",
        {
            "server": {
                "address": "127.0.0.1",
                "gpus": {"type": "h200-sxm-141gb", "count": 1},
            },
            "gateway": {"server_name": "llm.lab.example"},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
