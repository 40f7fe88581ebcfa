"""66
services[b].port: port 9001 of gpu1 is taken by a (got 9001)
"""

from tests.data.inventories.wrong._sound import CHAT, fleet

_first = CHAT | {"gpus": {"gpu1": [1, 2]}, "port": 9000}
_second = CHAT | {"gpus": {"gpu1": [0]}, "port": 9001, "served_model_name": "b"}
all = fleet(services={"a": _first, "b": _second})
