"""65
hosts[here].ssh_hostname: is the machine of hosts[@local] already, one machine must be one host (got '127.0.0.1')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(("@local", {"server": server()}), ("here", {"ssh_hostname": "127.0.0.1", "server": server(12)}), chat={"servers": ["@local"]})
