"""65
settings[gpu1].engine_environment: must have a port of 1 to 65535, or none
"""

from tests.data.inventories.wrong._sound import fleet, host

HUB = {"HF_ENDPOINT": "https://hub.example.com:99999"}
all = fleet(host(engine_environment=HUB))
