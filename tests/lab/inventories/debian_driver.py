"""Two hosts without a GPU, which have Debian's own driver packages."""

_server = {"gpus": {"type": "h100-sxm-80gb", "count": 1}}

lab = [
    (
        "@rackwright/deb12",
        {
            "server": {**_server, "address": "198.18.0.61"},
            "gateway": {"server_name": "llm.lab.example"},
            "driver_source": "debian",
            "driver_version": "535.999.99",  # named by the test that asks which there are
        },
    ),
    (
        "@rackwright/deb13",
        {
            "server": {**_server, "address": "198.18.0.62"},
            "driver_source": "debian",
            "driver_version": "550.999.99",
        },
    ),
]

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "path": "/srv/models/not-needed-here",
        "engine": "vllm",
        "servers": ["deb12", "deb13"],
        "max_model_len": 4096,
        "objective": "throughput",
    },
}

all = (lab, {"services": _services})
