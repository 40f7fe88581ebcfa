"""65
servers[gpu1].address: must be the address of one host (got '0.1.2.3')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="0.1.2.3")))
