"""65
services[chat].sticky: must be True or False
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"sticky": 1})
