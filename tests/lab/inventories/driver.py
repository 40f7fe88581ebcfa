"""Hosts without a driver: from NVIDIA's imitated archive, or (without GPUs) from Debian's own."""

_imitated = {
    "driver_source": "nvidia",
    "driver_version": "580.126.20",
    "driver_repository": "http://198.18.0.1:8980/repos/{distribution}/{architecture}/",
    "driver_repository_key": ".cache/lab/apt-lab.pub",
    "driver_accept": ("nvswitch",),  # the PCI bus is the machine's: it has no GPU and no switch
}
_two_gpus = {"type": "h200-sxm-141gb", "count": 2}

lab = [
    (
        "@rackwright/drv12",
        {
            "server": {"address": "198.18.0.43", "gpus": _two_gpus, "interconnect": "nvswitch"},
            **_imitated,
        },
    ),
    (
        "@rackwright/drv13",
        {
            "server": {"address": "198.18.0.44", "gpus": _two_gpus, "interconnect": "nvlink"},
            **_imitated,
        },
    ),
    (
        "@rackwright/deb12",
        {
            "server": {"address": "198.18.0.41", "gpus": {"type": "h100-sxm-80gb", "count": 1}},
            "driver_source": "debian",
        },
    ),
    (
        "@rackwright/deb13",
        {
            "server": {"address": "198.18.0.42", "gpus": {"type": "h100-sxm-80gb", "count": 1}},
            "driver_source": "debian",
            "gateway": {"server_name": "llm.lab.example"},
        },
    ),
]

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "path": "/srv/models/not-needed-here",
        "engine": "vllm",
        "servers": ["drv12", "drv13", "deb12", "deb13"],
        "max_model_len": 4096,
        "objective": "throughput",
    },
}

all = (lab, {"services": _services})
