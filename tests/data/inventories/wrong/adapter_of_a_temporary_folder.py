"""65
services[chat].adapters.sql: must not be below /tmp
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"adapters": {"sql": "/tmp/sql"}})
