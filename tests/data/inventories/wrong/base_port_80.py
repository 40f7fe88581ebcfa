"""65
settings[gpu1].base_port: must be at least 1024, engines run as a user without lower ones (got 80)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(base_port=80))
