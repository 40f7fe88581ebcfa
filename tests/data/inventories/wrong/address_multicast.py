"""65
servers[gpu1].address: must be the address of one host (got '224.0.0.1')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="224.0.0.1")))
