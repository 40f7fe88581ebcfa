"""rack1 to rack3 with weights of a repository: the hub's stand-in on the lab's bridge."""

_HUB = "http://198.18.0.1:8929"

_services = {
    "repo": {
        "model": "wide",
        "engine": "vllm",
        "servers": ["rack1", "rack2", "rack3"],
        "max_model_len": 1024,
        "objective": "latency",
    },
}

_models = {
    "wide": {
        "repo": "lab/wide",
        "revision": "0123456789abcdef0123456789abcdef01234567",
        "config": "lab/tiny_llama.json",
    },
}

lab = [
    (
        f"@rackwright/rack{number}",
        {
            "server": {
                "address": f"198.18.0.{40 + number}",
                "gpus": {"type": "h200-sxm-141gb", "count": 2},
                "interconnect": "nvlink",
            },
            "engine_environment": {"HF_ENDPOINT": _HUB},
            "firewall": "host",
            "sideways": "on",
            **({"gateway": {"server_name": "llm.lab.example"}} if number == 1 else {}),
            "sideways_mbit_per_s": 160,
        },
    )
    for number in (1, 2, 3)
]

all = (lab, {"services": _services, "models": _models})
