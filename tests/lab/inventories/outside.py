"""A server at an NVSwitch that is its own, which is its gateway too; nothing is deployed to it."""

from lab.fleet import RACK as _RACK

_host = _RACK[7]
_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": [_host.name],
        "max_model_len": 1024,
        "objective": "latency",
        "tensor_parallel_size": 2,
        "enforce_eager": True,
    },
}
_models = {"tiny-llama": {"path": "/srv/models/tiny-llama", "config": "lab/tiny_llama.json"}}

lab = [
    (
        f"@rackwright/{_host.name}",
        {
            "server": {
                "address": _host.address,
                "gpus": {"type": "h200-sxm-141gb", "count": 2},
                "interconnect": "nvswitch",
            },
            "gateway": {"server_name": "outside.lab.example"},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
