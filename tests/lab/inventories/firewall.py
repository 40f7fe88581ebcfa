"""A server whose engine's port is guarded, and a gateway that says itself where it comes from.

What listens on the port is a stand-in; another host of the lab is the stranger.
"""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["rack3"],
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

_server = {"address": "198.18.0.43", "gpus": {"type": "h200-sxm-141gb", "count": 1}}

lab = [
    # The lab's own monitor is the machine that runs the tests: here it is let in by none but SSH.
    ("@rackwright/rack3", {"server": _server, "firewall_monitors": ()}),
    (
        "@rackwright/spare1",
        {"gateway": {"server_name": "llm.lab.example"}, "firewall_monitors": ()},
    ),
]

all = (lab, {"services": _services, "models": _models})
