"""66
gateways[gw1].port: port 8443 of gw1 is taken by its ssh_port (got 8443)
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet()
all[0][-1][1].update(ssh_port=8443)
all[0][-1][1]["gateway"]["port"] = 8443
