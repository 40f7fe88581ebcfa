"""Two lab hosts that serve one replica together, a tensor parallel rank on each.

On GPUs stages would be split over servers and ranks kept inside one; the CPU build completes only
with ranks, so the lab spreads those (see docs/lab.md).
"""

_services = {
    "spread": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["gpu1", "gpu2"],
        "max_model_len": 1024,
        "objective": "latency",
        "port": 8100,
        "servers_per_replica": 2,
        "tensor_parallel_size": 2,
        "pipeline_parallel_size": 1,
        "gpus": {"gpu1": [0], "gpu2": [0]},
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}


def _server(number: int) -> dict[str, object]:
    return {
        "address": f"198.18.0.{number}",
        "gpus": {"type": "h200-sxm-141gb", "count": 1},
        "network_interface": "host0",
    }


lab = [
    ("@rackwright/gpu1", {"server": _server(11)}),
    ("@rackwright/gpu2", {"server": _server(12)}),
    ("@rackwright/gw1", {"gateway": {"server_name": "llm.lab.example"}}),
]

all = (lab, {"services": _services, "models": _models})
