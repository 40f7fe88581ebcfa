"""Two servers of one replica each, and their gateway: what a rollout changes step by step.

``ROLLOUT_SLOTS`` is the setting that changes, ``ROLLOUT_EXTRA`` further flags as JSON.
``ROLLOUT_BESIDE`` is the GPU of a second service on rack1 (0 or 1): the first one takes the other
there, and its ports are those above or below. ``ROLLOUT_RELEASE`` is a requirements file of
llama.cpp, ``ROLLOUT_KEY`` the key of its engines.
"""

import json
import os

_FILE = {
    "path": "/srv/models/tiny-gguf/tiny-llama.gguf",
    "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
    "size_bytes": 3441920,
    "quantization": "BF16",
}

_SERVERS = os.environ.get("ROLLOUT_SERVERS", "rack1 rack2").split()

_hosts_data: dict[str, object] = {"engine_api_key_env": "ROLLOUT_KEY"}
if "ROLLOUT_RELEASE" in os.environ:
    _hosts_data["llamacpp_requirements"] = os.environ["ROLLOUT_RELEASE"]

_BESIDE = os.environ.get("ROLLOUT_BESIDE")

_services: dict[str, dict[str, object]] = {
    "chat": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": _SERVERS,
        "gpus": {name: [0] for name in _SERVERS},
        "max_model_len": 1000,
        "objective": "latency",
        "max_num_seqs": int(os.environ.get("ROLLOUT_SLOTS", "2")),
        "extra_args": json.loads(os.environ.get("ROLLOUT_EXTRA", "{}")),
    },
}

if _BESIDE is not None:
    _code = int(_BESIDE)
    _chat = _services["chat"]
    _services["code"] = {
        **_chat,
        "servers": ["rack1"],
        "gpus": {"rack1": [_code]},
        "port": 8000 + _code,
        "served_model_name": "code",
    }
    _chat["gpus"] = {name: [0] for name in _SERVERS} | {"rack1": [1 - _code]}
    _chat["port"] = 8001 - _code

_models = {"tiny": {"gguf": _FILE, "config": "lab/tiny_llama.json"}}


def _server(number: int) -> tuple[str, dict[str, object]]:
    gpus = {"type": "h200-sxm-141gb", "count": 2}
    address = f"198.18.0.{40 + number}"
    return f"@rackwright/rack{number}", {
        "server": {"address": address, "gpus": gpus, "interconnect": "nvlink"},
        **_hosts_data,
    }


lab = [
    _server(1),
    _server(2),
    (
        "@rackwright/door1",
        {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}, **_hosts_data},
    ),
]

all = (lab, {"services": _services, "models": _models})
