"""65
settings[gw1].engine_api_key_env: must be HOME as on gpu1: gateways ask all engines with one key
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(engine_api_key_env="HOME"))
