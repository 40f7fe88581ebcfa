"""Two rented servers behind two bastions: a user with sudo, no root login, other ports and shells.

rented1 is reached by ssh_config, rented2 by host data; tests/samples/rented.py makes them so.
"""

from lab.fleet import LAB as _LAB

_rented = _LAB / "rented"
_FILE = {
    "path": "/srv/models/tiny-gguf/tiny-llama.gguf",
    "sha256": "87986ae8fc9cc45a78df5023f8722c6e1b57a98ab401664d0bbd5cb3f5f0907f",
    "size_bytes": 3441920,
    "quantization": "BF16",
}

_services = {
    "chat": {
        "model": "tiny",
        "engine": "llamacpp",
        "servers": ["rented1"],
        "max_model_len": 1000,
        "objective": "throughput",
        "max_num_seqs": 2,
    },
}

_models = {"tiny": {"gguf": _FILE, "config": "lab/tiny_llama.json"}}

_ssh = {
    "ssh_config_file": str(_rented / "ssh_config"),
    "ssh_known_hosts_file": str(_rented / "known_hosts"),
    "_sudo": True,
}

lab = [
    (
        "@rackwright/rented1",
        {
            **_ssh,
            "server": {
                "address": "198.18.0.73",
                "gpus": {"type": "h200-sxm-141gb", "count": 1},
            },
        },
    ),
    (
        "@rackwright/rented2",
        {
            **_ssh,
            "ssh_hostname": "198.18.0.74",
            "ssh_port": 2222,
            "ssh_user": "ops",
            "ssh_key": str(_rented / "id_ops"),
            "ssh_proxyjump": "ops@bastion1:2222,bastion2",
            "gateway": {"server_name": "llm.lab.example"},
        },
    ),
]

all = (lab, {"services": _services, "models": _models})
