"""65
gateways[gw1].server_name: must be the address of one host (got '255.255.255.255')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"server_name": "255.255.255.255"})
