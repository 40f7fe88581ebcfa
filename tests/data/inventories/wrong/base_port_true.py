"""65
settings[gpu1].base_port: must be a whole number (got True)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(base_port=True))
