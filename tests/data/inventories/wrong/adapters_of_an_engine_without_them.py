"""65
services[chat].adapters: must be left out, engine sglang has no such thing
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"engine": "sglang", "adapters": {"sql": "/srv/models/sql"}})
