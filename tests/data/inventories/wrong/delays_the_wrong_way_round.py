"""65
settings[gpu1].restart_delay_max_s: must be at least restart_delay_s, 60 (got 5)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(restart_delay_s=60, restart_delay_max_s=5))
