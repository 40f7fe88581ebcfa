"""65
gateways[gw1].ask_keys: is required where engines ask for a key (engine_api_key_env)
"""

from tests.data.inventories.wrong._sound import fleet, host

_hosts, _shared = fleet(host(engine_api_key_env="HOME"))
_hosts[-1][1]["engine_api_key_env"] = "HOME"
all = (_hosts, _shared)
