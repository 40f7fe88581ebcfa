"""65
all[0]: must be a name, or a name and a dict of its data (got ('gpu1', {'ssh_hostname': '203.0.113.11', 'server': {'address': '192.0.2.11',...)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet((*host(), 3))
