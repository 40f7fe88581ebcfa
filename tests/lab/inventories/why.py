"""Servers of two GPUs each with one replica, and a gateway that is not deployed, only asked."""

from lab.fleet import RACK as _RACK

_hosts = _RACK[:7]

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": [host.name for host in _hosts],
        "max_model_len": 1024,
        "objective": "latency",
        "tensor_parallel_size": 2,
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}


def _server(address: str) -> dict[str, object]:
    gpus = {"type": "h200-sxm-141gb", "count": 2}
    return {"server": {"address": address, "gpus": gpus, "interconnect": "nvswitch"}}


lab = [
    *((f"@rackwright/{host.name}", _server(host.address)) for host in _hosts),
    ("@rackwright/door1", {"gateway": {"server_name": "why.lab.example", "ask_keys": False}}),
]

all = (lab, {"services": _services, "models": _models})
