"""65
servers[gpu2].address: is given by servers[gpu1].address already (got 'a.example.com')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

ONE, TWO = server() | {"address": "a.example.com"}, server() | {"address": "A.example.com"}
all = fleet(host(server=ONE), ("gpu2", {"ssh_hostname": "203.0.113.12", "server": TWO}))
