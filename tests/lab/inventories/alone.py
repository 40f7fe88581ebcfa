"""The lab's box, which deploys to itself: what inventories/local.py is, with llama.cpp on CPUs."""

_services = {
    "chat": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": ["@local"],
        "max_model_len": 1000,
        "objective": "throughput",
        "max_num_seqs": 2,
    },
}

_models = {
    "tiny": {
        "gguf": {
            "path": "/srv/models/tiny-gguf/tiny-llama.gguf",
            "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
            "size_bytes": 3441920,
            "quantization": "BF16",
        },
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
