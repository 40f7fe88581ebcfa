"""Two servers without a driver, which have one from NVIDIA's archive as the lab imitates it."""

_server = {"gpus": {"type": "h200-sxm-141gb", "count": 2}}
_driver = {
    "driver_source": "nvidia",
    "driver_version": "580.126.20",
    "driver_repository": "http://198.18.0.1:8980/repos/{distribution}/{architecture}/",
    "driver_repository_key": ".cache/lab/apt-lab.pub",
}

lab = [
    (
        "@rackwright/drv12",
        {
            "server": {**_server, "address": "198.18.0.63", "interconnect": "nvswitch"},
            "gateway": {"server_name": "llm.lab.example"},
            **_driver,
        },
    ),
    (
        "@rackwright/drv13",
        {
            "server": {**_server, "address": "198.18.0.64", "interconnect": "nvlink"},
            **_driver,
        },
    ),
]

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "path": "/srv/models/not-needed-here",
        "engine": "vllm",
        "servers": ["drv12", "drv13"],
        "max_model_len": 4096,
        "objective": "throughput",
    },
}

all = (lab, {"services": _services})
