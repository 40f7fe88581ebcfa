"""65
services[chat].host_names[1]: is a name of services[chat].host_names[0] already
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"host_names": ["a.example.com", "A.example.com"]})
