"""gpu2 alone, with weights from a repository: the hub's stand-in on the lab's bridge."""

_services = {
    "repo": {
        "model": "tiny-repo",
        "engine": "vllm",
        "servers": ["gpu2"],
        "max_model_len": 1024,
        "objective": "latency",
    },
}

_models = {
    "tiny-repo": {
        "repo": "lab/tiny-llama",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "config": "lab/tiny_llama.json",
    },
}

lab = [
    (
        "@rackwright/gpu2",
        {
            "server": {
                "address": "198.18.0.12",
                "gpus": {"type": "h200-sxm-141gb", "count": 1},
                "interconnect": "none",
            },
            "gateway": {"server_name": "llm.lab.example"},
            "engine_environment": {"HF_ENDPOINT": "http://198.18.0.1:8902"},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
