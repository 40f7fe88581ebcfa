"""65
services[chat].extra_args: must have a number with an end for 'seed'
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"extra_args": {"seed": float("nan")}})
