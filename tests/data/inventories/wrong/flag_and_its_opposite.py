"""65
services[chat].extra_args.no-async-scheduling: is the flag that async-scheduling is already
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"extra_args": {"async-scheduling": True, "no-async-scheduling": True}})
