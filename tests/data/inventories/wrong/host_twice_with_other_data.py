"""65
spare[0].server: is another value in all[0], which names it too
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet()
spare = [("gpu1", {"server": server(12)})]
