"""65
servers[gpu1].gpus.power_limit_w: must be at most 700, the most of NVIDIA H100 80GB HBM3 (got 900)
"""

from tests.data.inventories.wrong._sound import GPUS, fleet, host, server

all = fleet(host(server=server(gpus={**GPUS, "power_limit_w": 900})))
