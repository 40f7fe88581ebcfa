"""The same hosts through Rackwright's connector, which takes a whole fleet only.

So one of them is called a gateway and the others servers with a model; none of it is deployed.
"""

from lab.fleet import SPARES as _SPARES

_ssh = {
    "ssh_config_file": ".cache/lab/ssh_config",
    "ssh_known_hosts_file": ".cache/lab/known_hosts",
}

_gateway, *_servers = _SPARES

_services = {
    "chat": {
        "model": "llama-3.1-8b-instruct",
        "path": "/srv/models/none",
        "engine": "vllm",
        "servers": [server.name for server in _servers],
        "max_model_len": 8192,
        "objective": "latency",
    },
}

gateways = [(f"@rackwright/{_gateway.name}", {"gateway": {"server_name": "bench.lab.example"}})]

gpu_servers = [
    (
        f"@rackwright/{server.name}",
        {"server": {"address": server.address, "gpus": {"type": "h200-sxm-141gb", "count": 1}}},
    )
    for server in _servers
]

all = (gateways + gpu_servers, {"services": _services, **_ssh})
