"""Two gateways before two servers that are stood in for, on one host; they share an address.

``PAIR_ADDRESSES`` are others to share, none where it is empty.
"""

import os

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["absent1", "absent2"],
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

_failover: dict[str, object] = {"gateways": {"spare1": "198.18.0.21", "spare2": "198.18.0.22"}}
if _shared := os.environ.get("PAIR_ADDRESSES", "198.18.0.100 fd00:198:18::100").split():
    _failover["addresses"] = _shared


def _server(address: str) -> dict[str, object]:
    return {"server": {"address": address, "gpus": {"type": "h200-sxm-141gb", "count": 1}}}


def _gateway() -> dict[str, object]:
    return {"gateway": {"server_name": "llm.lab.example"}}


lab = [
    ("@rackwright/absent1", _server("198.18.0.111")),
    ("@rackwright/absent2", _server("198.18.0.112")),
    ("@rackwright/spare1", _gateway()),
    ("@rackwright/spare2", _gateway()),
]

all = (lab, {"services": _services, "models": _models, "failover": _failover})
