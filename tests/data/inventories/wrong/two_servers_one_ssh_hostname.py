"""65
hosts[gpu2].ssh_hostname: is the machine of hosts[gpu1] already, one machine must be one host (got '203.0.113.11')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(), ("gpu2", {"ssh_hostname": "203.0.113.11", "server": server(12)}))
