"""65
settings[gpu1].root_dir: must be a path without . and .. in it (got '/opt/..')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(root_dir="/opt/.."))
