"""65
all[1]: names gpu1, as all[0] does already (got '@rackwright/gpu1')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(host(), ("@rackwright/gpu1", {"server": server()}))
