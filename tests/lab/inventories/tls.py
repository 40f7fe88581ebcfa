"""A gateway whose certificate the lab's authority issues, before one server that is stood in for.

Its other names, where its CA is and files instead of one come from the test, which changes them.
"""

import os

from lab.authority import DIRECTORY

_services = {
    "chat": {
        "model": "tiny-llama",
        "engine": "vllm",
        "servers": ["absent1"],
        "max_model_len": 1024,
        "objective": "latency",
        "enforce_eager": True,
    },
}

_models = {
    "tiny-llama": {
        "path": "/srv/models/tiny-llama",
        "config": "lab/tiny_llama.json",
    },
}

_gpus = {"type": "h200-sxm-141gb", "count": 1}
_gateway: dict[str, object] = {
    "server_name": "llm.example.org",
    "other_names": os.environ.get("LAB_OTHER_NAMES", "chat.example.org").split(),
}
if "LAB_CERTIFICATE" in os.environ:
    _gateway["certificate"] = os.environ["LAB_CERTIFICATE"]
    _gateway["certificate_key"] = os.environ["LAB_CERTIFICATE_KEY"]
else:
    _gateway["acme"] = {
        "email": "ops@example.org",
        "agree_to_terms": True,
        "directory": os.environ.get("LAB_DIRECTORY", DIRECTORY),
    }

lab = [
    ("@rackwright/absent1", {"server": {"address": "192.0.2.11", "gpus": _gpus}}),
    ("@rackwright/spare3", {"gateway": _gateway}),
]

all = (lab, {"services": _services, "models": _models})
