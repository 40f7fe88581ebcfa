"""65
services[chat].queue.wait_s: must be 0 to 31622400
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"queue": {"length": 1, "wait_s": 10**9}})
