"""65
servers[gpu1].address: must be an IPv4 address or a host name (got '10.0.0.0x1')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="10.0.0.0x1")))
