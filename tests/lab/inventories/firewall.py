"""A server whose engine's port is guarded, and a gateway that says itself where it comes from.

What listens on the port is a stand-in; another host of the lab is the stranger.
"""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["rack1"],
        "max_model_len": 1024,
        "objective": "latency",
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}

_server = {"address": "198.18.0.41", "gpus": {"type": "h200-sxm-141gb", "count": 1}}

lab = [
    ("@rackwright/rack1", {"server": _server}),
    ("@rackwright/spare1", {"gateway": {"server_name": "llm.lab.example"}}),
]

all = (lab, {"services": _services, "models": _models})
