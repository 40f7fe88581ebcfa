"""66
services[chat].port: leaves no room below 65535 for 8 replicas on gpu1 (got 65535)
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"port": 65535})
