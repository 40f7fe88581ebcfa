"""One machine, server and gateway, of which all that is installed is locked.

The test copies this file, so that the lock lies beside the copy.
"""

_FILE = {
    "path": "/srv/models/tiny-gguf/tiny-llama.gguf",
    "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
    "size_bytes": 3441920,
    "quantization": "BF16",
}

_services = {
    "chat": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": ["rack5"],
        "gpus": {"rack5": [0]},
        "max_model_len": 1000,
        "objective": "latency",
    },
}

_models = {"tiny": {"gguf": _FILE, "config": "lab/tiny_llama.json"}}

_server = {
    "address": "198.18.0.45",
    "gpus": {"type": "h200-sxm-141gb", "count": 2},
    "interconnect": "nvlink",
}

lab = [
    (
        "@rackwright/rack5",
        {
            "server": _server,
            "gateway": {"server_name": "llm.lab.example", "ask_keys": False},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
