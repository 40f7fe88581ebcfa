"""The journey without a GPU: the engine's CPU build, on a host whose GPU is imitated.

For `python -m lab.gpu_host boot PACKED --imitate h200x1`; docs/lab.md has the commands.
"""

_host = {
    "server": {
        "address": "127.0.0.1",
        "gpus": {"type": "h200-sxm-141gb", "count": 1},
        "interconnect": "none",
    },
    "gateway": {"server_name": "localhost"},
    "driver_source": "none",
    "vllm_build": "cpu",
    "vllm_requirements": "lab/vllm-0.32.0-cpu.txt",
    "engine_environment": {"TORCHDYNAMO_DISABLE": "1"},
    "start_timeout_s": 600,
    "stop_timeout_s": 20,
}

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["@local"],
        "max_model_len": 1024,
        "objective": "latency",
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {"path": "/srv/models/tiny-llama", "config": "lab/tiny_llama.json"},
}

boxes = [("@local", _host)]

all = (boxes, {"services": _services, "models": _models})
