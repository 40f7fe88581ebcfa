"""65
hosts[gpu1].ssh_hostname: must be an IPv4 address or a host name (got '203.0.113.011')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_hostname="203.0.113.011"))
