"""A gateway that asks for keys, before two servers that are stood in for and ask for another.

Only the gateway is deployed. The tests copy this file, so that its clients lie beside the copy.
"""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["rack1", "rack2"],
        "max_model_len": 1024,
        "objective": "latency",
        "enforce_eager": True,
        "aliases": ["gpt-4o"],
    },
}

_models = {"tiny-llama": {"path": "/srv/models/tiny-llama", "config": "lab/tiny_llama.json"}}


def _server(address: str) -> dict[str, object]:
    return {"server": {"address": address, "gpus": {"type": "h200-sxm-141gb", "count": 1}}}


lab = [
    ("@rackwright/rack1", _server("192.0.2.11")),
    ("@rackwright/rack2", _server("192.0.2.12")),
    ("@rackwright/spare1", {"gateway": {"server_name": "llm.lab.example", "ask_keys": True}}),
]

all = (
    lab,
    {"services": _services, "models": _models, "engine_api_key_env": "RACKWRIGHT_LAB_ENGINE_KEY"},
)
