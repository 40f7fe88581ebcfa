"""65
settings[gpu1].cache_dir: must not be inside root_dir, nor around it (got '/srv/x/cache')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(root_dir="/srv/x", cache_dir="/srv/x/cache"))
