"""65
services[chat].queue.length: must be at least 0
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"queue": {"length": -1}})
