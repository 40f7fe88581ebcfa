gpu_servers = [
    ("@rackwright/gpu1", {"ssh_hostname": "192.0.2.11", "server": {"address": "192.0.2.11", "gpus": {"type": "h100-sxm-80gb", "count": 0}, "interconnect": "nvswitch"}}),
    ("@rackwright/gpu2", {"ssh_hostname": "192.0.2.12", "server": {"address": "192.0.2.12", "gpus": {"type": "l40s-48gb", "count": 2}, "interconect": "nvlink"}}),
    ("@rackwright/gpu3", {"ssh_hostname": "192.0.2.13", "server": {"address": "192.0.2.13", "gpus": {"type": "l40s-48gb", "count": 2}, "interconnect": "nvlink"}}),
]
gateways = [("@rackwright/gw1", {"ssh_hostname": "192.0.2.10", "gateway": {"server_name": "x.example"}})]
all = (gpu_servers + gateways, {"services": {"chat": {"model": "llama-3.3-70b", "engine": "vlm", "servers": ["gpu9"], "max_model_len": 8192, "objective": "fast"}}})
