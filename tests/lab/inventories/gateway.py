"""A gateway before two servers that are stood in for, on addresses of its own; only it is deployed.

The second server is declared by a name, which is in the gateway's hosts file.
"""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["absent1", "absent2"],
        "max_model_len": 1024,
        "max_num_seqs": 1024,
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


def _server(address: str) -> dict[str, object]:
    return {"server": {"address": address, "gpus": {"type": "h200-sxm-141gb", "count": 1}}}


lab = [
    ("@rackwright/absent1", _server("192.0.2.11")),
    ("@rackwright/absent2", _server("two.lab.example")),
    ("@rackwright/spare1", {"gateway": {"server_name": "llm.lab.example"}}),
]

all = (lab, {"services": _services, "models": _models})
