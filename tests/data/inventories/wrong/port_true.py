"""65
services[chat].port: must be a whole number (got True)
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"port": True})
