"""65
hosts[gpu1].ssh_hostname: must be an address or a name
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_hostname=""))
