"""65
services[v1]: must have another name: its path /v1/rerank is the gateway's own
"""

from tests.data.inventories.wrong._sound import CHAT, fleet

_hosts, _shared = fleet()
all = (_hosts, {**_shared, "services": {"v1": CHAT}})
