"""One box that serves a model to its own network: the machine this runs on.

    sudo pyinfra inventories/local.py deploy.py

Two cards without NVLink: a model that fits one of them runs twice.
"""

_host = {
    "server": {
        "address": "127.0.0.1",
        "gpus": {"type": "rtx-4090-24gb", "count": 2},
        "interconnect": "pcie",
    },
    # A self-signed certificate; https://localhost/v1/chat/completions answers.
    "gateway": {"server_name": "localhost"},
}

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "revision": "0e9e39f249a16976918f6564b8830bc894c89659",
        "engine": "vllm",
        "servers": ["@local"],
        "max_model_len": 8192,
        "objective": "throughput",
    },
}

boxes = [("@local", _host)]

all = (boxes, {"services": _services})
