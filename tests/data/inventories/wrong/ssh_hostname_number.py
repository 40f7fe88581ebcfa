"""65
hosts[gpu1].ssh_hostname: must be a string (got 5)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_hostname=5))
