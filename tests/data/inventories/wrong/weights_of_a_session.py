"""65
services[chat].path: must not be below /var/run/user
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"path": "/var/run/user/1000/m", "revision": ...})
