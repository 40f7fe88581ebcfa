"""65
services[chat].port: must be at least 1024, engines run as a user without lower ones (got 80)
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"port": 80})
