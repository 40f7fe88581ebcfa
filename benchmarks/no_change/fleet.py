"""NO_CHANGE_HOSTS hosts of the lab: a gateway, and servers with a replica of one service each."""

import os

from lab.fleet import RACK as _RACK
from lab.fleet import SPARES as _SPARES

_servers = _RACK[: int(os.environ["NO_CHANGE_HOSTS"]) - 1]

_services = {
    "chat": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": [server.name for server in _servers],
        "gpus": {server.name: [0] for server in _servers},
        "max_model_len": 1000,
        "objective": "latency",
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

_gpus = {"type": "h200-sxm-141gb", "count": 2}

gpu_servers = [
    (
        f"@rackwright/{server.name}",
        {"server": {"address": server.address, "gpus": _gpus, "interconnect": "nvlink"}},
    )
    for server in _servers
]

gateways = [
    (
        f"@rackwright/{_SPARES[0].name}",
        {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}},
    )
]

lab = gpu_servers + gateways

all = (lab, {"services": _services, "models": _models})
