"""65
settings[gpu1].cache_dir: must be a folder of Rackwright's own, this is one of the system's (got '/home')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(cache_dir="/home"))
