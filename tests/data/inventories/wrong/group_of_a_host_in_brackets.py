"""65
more[0]: must be a name, or a name and a dict of its data (got ['gw2', {}])
"""

from tests.data.inventories.wrong._sound import fleet

more = [["gw2", {}]]
all = fleet()
