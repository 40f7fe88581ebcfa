"""65
hosts[gpu1].ssh_port: must be a whole number (got 'ssh')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_port="ssh"))
