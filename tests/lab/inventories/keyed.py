"""A gateway that asks for keys, before two servers that are stood in for and ask for another.

Only the gateway is deployed. The tests copy this file, so that its clients lie beside the copy.
"""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["absent1", "absent2"],
        "max_model_len": 1024,
        "objective": "latency",
        "enforce_eager": True,
        "aliases": ["gpt-4o"],
    },
}

_models = {"tiny-llama": {"path": "/srv/models/tiny-llama", "config": "lab/tiny_llama.json"}}


_key = {"engine_api_key_env": "RACKWRIGHT_LAB_ENGINE_KEY"}


def _server(address: str) -> dict[str, object]:
    return {"server": {"address": address, "gpus": {"type": "h200-sxm-141gb", "count": 1}}, **_key}


lab = [
    ("@rackwright/absent1", _server("192.0.2.11")),
    ("@rackwright/absent2", _server("192.0.2.12")),
    (
        "@rackwright/spare1",
        {"gateway": {"server_name": "llm.lab.example", "ask_keys": True}, **_key},
    ),
]

all = (lab, {"services": _services, "models": _models})
