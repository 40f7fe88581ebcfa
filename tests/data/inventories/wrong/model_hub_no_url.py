"""65
settings[gpu1].model_hub: must be a URL of https or http
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(model_hub="hub.example.com"))
