"""65
servers[gpu1].address: must be the address of one host (got '255.255.255.255')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="255.255.255.255")))
