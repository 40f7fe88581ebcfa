"""65
hosts[gpu1, gw1].models: must be nested 64 levels deep at most, and not contain itself
"""

from tests.data.inventories.wrong._sound import CONFIG, own_model

_nested = []
for _ in range(99):
    _nested = [_nested]
all = own_model(CONFIG | {"rope_scaling": _nested})
