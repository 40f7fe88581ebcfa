"""An inventory of the lab's first RACK_HOSTS servers, with weights of the hub's stand-in."""

import os

from lab.fleet import GATEWAY_ADDRESS as _HUB
from lab.fleet import RACK as _RACK

_hosts = _RACK[: int(os.environ["RACK_HOSTS"])]

_services = {
    "chat": {
        "model": "measured",
        "engine": "vllm",
        "servers": [host.name for host in _hosts],
        "max_model_len": 1024,
        "objective": "latency",
        "tensor_parallel_size": 2,
    },
}

_models = {
    "measured": {
        "repo": "lab/measured",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "config": "lab/tiny_llama.json",
    },
}


def _server(address: str) -> dict[str, object]:
    gpus = {"type": "h200-sxm-141gb", "count": 2}
    return {
        "server": {"address": address, "gpus": gpus, "interconnect": "nvswitch"},
        "engine_environment": {"HF_ENDPOINT": f"http://{_HUB}:{os.environ['HUB_PORT']}"},
    }


lab = [(f"@rackwright/{host.name}", _server(host.address)) for host in _hosts]
# A service needs a gateway; no stage that is run here makes one.
lab[0][1]["gateway"] = {"server_name": "bench.lab.example"}

all = (lab, {"services": _services, "models": _models})
