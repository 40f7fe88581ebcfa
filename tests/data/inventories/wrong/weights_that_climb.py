"""65
services[chat].path: must be a path without . and .. in it (got '/srv/models/../../etc')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"revision": ..., "path": "/srv/models/../../etc"})
