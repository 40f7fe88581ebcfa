"""Two servers of one replica each, and a gateway that asks for keys: what is drained by hand."""

_FILE = {
    "path": "/srv/models/tiny-gguf/tiny-llama.gguf",
    "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
    "size_bytes": 3441920,
    "quantization": "BF16",
}

_SERVERS = {"rack1": "198.18.0.41", "rack2": "198.18.0.42"}

_services = {
    "chat": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": list(_SERVERS),
        "gpus": {name: [0] for name in _SERVERS},
        "max_model_len": 1000,
        "objective": "latency",
        "max_num_seqs": 4,
    },
}

_models = {"tiny": {"gguf": _FILE, "config": "lab/tiny_llama.json"}}

_gpus = {"type": "h200-sxm-141gb", "count": 2}

lab = [
    *(
        (
            f"@rackwright/{name}",
            {"server": {"address": address, "gpus": _gpus, "interconnect": "nvlink"}},
        )
        for name, address in _SERVERS.items()
    ),
    ("@rackwright/door1", {"gateway": {"server_name": "llm.lab.example", "ask_keys": True}}),
]

all = (lab, {"services": _services, "models": _models})
