"""65
settings[gpu1, gw1].engine_api_key_env: names RACKWRIGHT_WRONG_KEY, which is not set here: export it
"""

from tests.data.inventories.wrong._sound import fleet, host

_hosts, _shared = fleet(
    host(engine_api_key_env="RACKWRIGHT_WRONG_KEY"), gateway={"ask_keys": True}
)
_hosts[-1][1]["engine_api_key_env"] = "RACKWRIGHT_WRONG_KEY"
all = (_hosts, _shared)
