"""65
servers[gpu1].gpus.count: must be a whole number (got True)
"""

from tests.data.inventories.wrong._sound import GPUS, fleet, host, server

all = fleet(host(server=server(gpus={**GPUS, "count": True})))
