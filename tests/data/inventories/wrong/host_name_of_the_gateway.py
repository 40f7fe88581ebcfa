"""65
services[chat].host_names[0]: is a name of gateways[gw1] already
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"host_names": ["LLM.example.com"]})
