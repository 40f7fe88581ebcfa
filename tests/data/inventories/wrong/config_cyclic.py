"""65
hosts[gpu1, gw1].models: must be nested 64 levels deep at most, and not contain itself
"""

from tests.data.inventories.wrong._sound import CONFIG, own_model

_config = dict(CONFIG)
_config["itself"] = _config
all = own_model(_config)
