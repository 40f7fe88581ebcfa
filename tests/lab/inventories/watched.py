"""Two servers with watchdogs: a service on both, and one on the second that is stood in for."""

_services = {
    name: {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": servers,
        "gpus": {server: [gpu] for server in servers},
        "max_model_len": 1000,
        "objective": "throughput",
        "max_num_seqs": 2,
        "served_model_name": name,
    }
    for name, servers, gpu in (("chat", ["rack1", "rack2"], 0), ("code", ["rack2"], 1))
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


def _server(address: str) -> dict[str, object]:
    return {
        "server": {
            "address": address,
            "gpus": {"type": "h200-sxm-141gb", "count": 2},
            "interconnect": "nvlink",
        }
    }


lab = [
    ("@rackwright/rack1", _server("198.18.0.41")),
    ("@rackwright/rack2", _server("198.18.0.42")),
    ("@rackwright/door1", {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}}),
]

all = (lab, {"services": _services, "models": _models})
