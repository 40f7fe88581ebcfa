"""Two hosts of two releases that reach nothing outside: what they have comes from a bundle.

The test packs Ollama's stand-in, and says its digest by a variable. While the bundle is made, the
hub and the archive are served on the lab's bridge; afterwards nobody is there.
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
        "servers": ["fence1"],
        "gpus": {"fence1": [0]},
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

lab = [
    (
        "@rackwright/fence1",
        {
            "server": {
                "address": "198.18.0.81",
                "gpus": {"type": "h200-sxm-141gb", "count": 2},
                "interconnect": "nvlink",
            },
            "model_hub": "http://198.18.0.1:8908",
            "ollama_url": "http://198.18.0.1:8909/ollama-{version}.tar.zst",
            "ollama_sha256": _os.environ.get("LAB_OLLAMA_SHA256", "0" * 64),
        },
    ),
    ("@rackwright/fence2", {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}}),
]

all = (lab, {"services": _services, "models": _models})
