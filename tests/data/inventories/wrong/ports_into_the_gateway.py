"""66
services[chat].port: port 8443 of gpu1 is taken by the gateway (got 8440)
"""

from tests.data.inventories.wrong._sound import fleet, host

_gpu1 = host(gateway={"server_name": "llm.example.com", "port": 8443})
all = ([_gpu1], fleet(chat={"port": 8440})[1])
