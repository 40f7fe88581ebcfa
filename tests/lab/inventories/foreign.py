"""One bare host that is server and gateway; nothing is started on it."""

from lab.fleet import host_named as _host_named

_host = _host_named("spare2")

lab = [
    (
        f"@rackwright/{_host.name}",
        {
            "server": {"address": _host.address, "gpus": {"type": "h200-sxm-141gb", "count": 1}},
            "gateway": {"server_name": "foreign.lab.example", "ask_keys": False},
        },
    ),
]

all = (
    lab,
    {
        "services": {
            "chat": {
                "model": "tiny-llama",
                "engine": "vllm",
                "servers": [_host.name],
                "max_model_len": 1024,
                "objective": "latency",
            },
        },
        "models": {
            "tiny-llama": {"path": "/srv/models/tiny-llama", "config": "lab/tiny_llama.json"},
        },
    },
)
