"""65
settings[gpu1].engine_api_key_env: names RACKWRIGHT_WRONG_KEY, which is not set here: export it
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(engine_api_key_env="RACKWRIGHT_WRONG_KEY"))
