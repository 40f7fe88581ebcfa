"""65
servers[gpu1].address: must be an IPv4 address or a host name (got '010.0.0.1')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="010.0.0.1")))
