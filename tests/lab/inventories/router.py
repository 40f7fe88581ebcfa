"""The lab with vLLM's router between its gateway and its replicas."""

from inventories import lab as _lab

_services = {"chat": {**_lab._services["chat"], "router": "vllm-router"}}

lab = _lab.gpu_servers + _lab.gateways
all = (lab, {"services": _services, "models": _lab._models})
