"""An inventory of the lab's first RACK_HOSTS servers, one replica on the two GPUs of each."""

import os

from lab.fleet import RACK as _RACK

_hosts = _RACK[: int(os.environ["RACK_HOSTS"])]

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


lab = [(f"@rackwright/{host.name}", _server(host.address)) for host in _hosts]
# A service needs a gateway. None is deployed: it is asked, and says so at once.
lab[0][1]["gateway"] = {"server_name": "bench.lab.example"}

all = (lab, {"services": _services, "models": _models})
