"""gpu3 alone, with two other engines on a GPU each: llama.cpp for real, Ollama by a stand-in.

The test gives ``ollama_version`` and ``ollama_sha256``: it packs the stand-in itself.
"""

_SHA256 = "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f"
_FILE = {"sha256": _SHA256, "size_bytes": 3441920, "quantization": "BF16"}

_services = {
    "llama": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": ["gpu3"],
        "gpus": {"gpu3": [0]},
        "max_model_len": 1000,
        "objective": "latency",
        "max_num_seqs": 2,
    },
    "ollama": {
        "model": "tiny",
        "engine": "ollama",
        "servers": ["gpu3"],
        "gpus": {"gpu3": [1]},
        "served_model_name": "tiny-ollama",
        "gguf": {
            **_FILE,
            "repo": "lab/tiny-gguf",
            "revision": "0123456789abcdef0123456789abcdef01234567",
            "file": "tiny-llama.gguf",
        },
        "max_model_len": 1024,
        "objective": "latency",
        "kv_cache_dtype": "q8_0",
    },
}

_models = {
    "tiny": {
        "gguf": {**_FILE, "path": "/srv/models/tiny-gguf/tiny-llama.gguf"},
        "config": "lab/tiny_llama.json",
    },
}

lab = [
    (
        "@rackwright/gpu3",
        {
            "server": {
                "address": "198.18.0.13",
                "gpus": {"type": "h200-sxm-141gb", "count": 2},
                "interconnect": "nvlink",
            },
            "gateway": {"server_name": "llm.lab.example"},
            "engine_environment": {"HF_ENDPOINT": "http://198.18.0.1:8900"},
            "ollama_url": "http://198.18.0.1:8901/ollama-{version}.tar.zst",
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
