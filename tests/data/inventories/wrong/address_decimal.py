"""65
servers[gpu1].address: must be an IPv4 address or a host name (got '2130706433')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(server=server(address="2130706433")))
