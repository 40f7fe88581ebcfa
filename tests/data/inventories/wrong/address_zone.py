"""65
servers[gpu1].address: must be an IPv4 address or a host name (got 'fe80::1%eth0')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="fe80::1%eth0")))
