"""65
gateways[gw1].default: is not a known service, did you mean 'chat'
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"default": "chatt"})
