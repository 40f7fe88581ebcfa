"""65
all[1]: names gpu1, as all[0] does already (got 'gpu1')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(), host())
