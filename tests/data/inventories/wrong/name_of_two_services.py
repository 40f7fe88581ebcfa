"""65
services[other].aliases[0]: is a name of services[chat].adapters.sql already
services[other].aliases[1]: is a name of services[chat] already
services[other].host_names[0]: is a name of services[chat].host_names[0] already
"""

from tests.data.inventories.wrong._sound import CHAT, fleet

_hosts, _shared = fleet()
_chat = {
    **CHAT,
    "gpus": {"gpu1": [0]},
    "adapters": {"sql": "/srv/models/sql"},
    "host_names": ["chat.example.com"],
}
_other = {
    **CHAT,
    "gpus": {"gpu1": [1]},
    "served_model_name": "other",
    "aliases": ["sql", "llama-3.1-8b-instruct"],
    "host_names": ["chat.example.com"],
}
all = (_hosts, {**_shared, "services": {"chat": _chat, "other": _other}})
