"""65
settings[gpu1].python_index: must be a URL of https or http
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(python_index="--extra"))
