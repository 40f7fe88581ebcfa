"""65
services[chat].port: must be a whole number (got '8000')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"port": "8000"})
