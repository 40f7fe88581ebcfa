"""66
settings[gpu1].base_port: leaves no room below 65535 for 8 replicas on gpu1 (chat) (got 65535)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(base_port=65535))
