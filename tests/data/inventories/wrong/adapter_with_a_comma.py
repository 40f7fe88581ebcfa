"""65
services[chat].adapters.sql: must be an absolute path of letters, digits
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"adapters": {"sql": "/srv/a,b=/srv/c"}})
