"""65
hosts[gpu1].ssh_port: must be 1 to 65535 (got 70000)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_port=70000))
