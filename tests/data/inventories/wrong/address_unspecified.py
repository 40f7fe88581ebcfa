"""65
servers[gpu1].address: must be one address, not all of them (got '0.0.0.0')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="0.0.0.0")))
