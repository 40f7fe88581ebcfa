"""Two servers that are alike, with weights that the operator put there, and a gateway.

RACKWRIGHT_LAB_KNOWN_HOSTS names another file of host keys than the lab's.
"""

import os

_SERVERS = {"rack1": "198.18.0.41", "rack2": "198.18.0.42"}
_EACH = {
    "engine_api_key_env": "RACKWRIGHT_LAB_ENGINE_KEY",
    "ssh_known_hosts_file": os.environ.get("RACKWRIGHT_LAB_KNOWN_HOSTS", ".cache/lab/known_hosts"),
}
_GPUS = {"type": "h200-sxm-141gb", "count": 2}

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

_models = {
    "tiny": {
        "gguf": {
            "path": "/srv/own/tiny-llama.gguf",
            "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
            "size_bytes": 3441920,
            "quantization": "BF16",
        },
        "config": "lab/tiny_llama.json",
    },
}

lab = [
    *(
        (
            f"@rackwright/{name}",
            {"server": {"address": address, "gpus": _GPUS, "interconnect": "nvlink"}, **_EACH},
        )
        for name, address in _SERVERS.items()
    ),
    (
        "@rackwright/door1",
        {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}, **_EACH},
    ),
]

all = (lab, {"services": _services, "models": _models})
