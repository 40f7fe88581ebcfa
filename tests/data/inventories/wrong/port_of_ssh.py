"""66
services[chat].port: port 8003 of gpu1 is taken by its ssh_port (got 8003)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_port=8003))
