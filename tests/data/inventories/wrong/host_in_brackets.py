"""65
all[0]: must be a name, or a name and a dict of its data (got ['gpu1',
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(list(host()))
