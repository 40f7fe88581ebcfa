"""65
gateways[gw1].port: must be a whole number (got True)
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"port": True})
