"""One GPU of this machine serves an 8B model with random weights: `make test-gpu` needs no more.

Another card is its name in rackwright/catalog/gpus.yaml; `rackwright discover @local` prints it.
"""

_host = {
    "server": {
        "address": "127.0.0.1",
        "gpus": {"type": "h100-sxm-80gb", "count": 1},
        "interconnect": "none",
    },
    "gateway": {"server_name": "localhost"},
    # The driver is only checked, and nothing is rebooted.
    "driver_source": "none",
    "reboot": "never",
    "start_timeout_s": 600,
}

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "engine": "vllm",
        "servers": ["@local"],
        "path": "/srv/models/llama-3.1-8b-instruct",
        "extra_args": {"load-format": "dummy"},
        "max_model_len": 8192,
        "objective": "throughput",
    },
}

boxes = [("@local", _host)]

all = (boxes, {"services": _services})
