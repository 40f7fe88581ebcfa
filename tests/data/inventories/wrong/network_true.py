"""65
servers[gpu1].network_gbit_per_s: must be a number (got True)
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(network_gbit_per_s=True)))
