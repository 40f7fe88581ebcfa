"""The lab, and a server that is not there."""

import runpy

_lab = runpy.run_path("inventories/lab.py")
_dead = {
    "ssh_hostname": "198.18.0.99",
    "server": {
        "address": "198.18.0.99",
        "gpus": {"type": "h200-sxm-141gb", "count": 1},
    },
}

lab = [*_lab["gpu_servers"], ("@rackwright/gpu3", _dead), *_lab["gateways"]]
all = (lab, _lab["all"][1])
