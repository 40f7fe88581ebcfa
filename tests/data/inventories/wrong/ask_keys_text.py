"""65
gateways[gw1].ask_keys: must be True or False
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"ask_keys": "yes"})
