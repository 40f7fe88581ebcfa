"""65
settings[gpu1].engine_user: must be a user of Rackwright's own, this is one of the system's names (got 'ubuntu')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(engine_user="ubuntu"))
