"""65
hosts[gpu1].ssh_port: must be a whole number (got True)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_port=True))
