"""65
gateways[gw1].server_name: must be an IPv4 address or a host name (got 'llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll.example.com')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"server_name": f"{'l' * 64}.example.com"})
