"""The lab with vLLM's router between its gateway and its replicas."""

from inventories.lab import _models, _services, gateways, gpu_servers

_services = {"chat": {**_services["chat"], "router": "vllm-router"}}

all = (gpu_servers + gateways, {"services": _services, "models": _models})
