"""Two servers that are alike, each with a replica of vLLM that compiles when it starts.

The gateway is planned and no host of the lab: no stage that is run here is of it.
"""

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["twin1", "twin2"],
        "max_model_len": 1024,
        "objective": "latency",
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}

# The lab's own, of which TORCHDYNAMO_DISABLE is left out: with it nothing is compiled.
_environment = {
    "PYTHONPYCACHEPREFIX": "/var/cache/rackwright/pycache",
    "OMP_NUM_THREADS": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}


def _twin(number: int) -> dict[str, object]:
    return {
        "server": {
            "address": f"198.18.0.{82 + number}",
            "gpus": {"type": "h200-sxm-141gb", "count": 1},
            "interconnect": "none",
        },
        "firewall": "off",
        "engine_environment": _environment,
    }


lab = [(f"@rackwright/twin{number}", _twin(number)) for number in (1, 2)]
lab += [("@rackwright/absent1", {"gateway": {"server_name": "llm.lab.example", "ask_keys": False}})]

all = (lab, {"services": _services, "models": _models})
