"""65
tests/data/inventories/wrong/host_without_a_name.py: InventoryError: @rackwright must be followed by a host: @rackwright/NAME
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(("@rackwright", {}))
