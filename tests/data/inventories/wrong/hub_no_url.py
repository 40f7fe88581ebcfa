"""65
settings[gpu1].engine_environment: must have an https or http URL for HF_ENDPOINT
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(engine_environment={"HF_ENDPOINT": "ftp ://x y"}))
