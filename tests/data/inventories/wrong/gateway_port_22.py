"""65
gateways[gw1].port: must not be 22 (SSH) or 80 (plain HTTP) (got 22)
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"port": 22})
