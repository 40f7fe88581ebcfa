"""65
settings[gpu1].start_timeout_s: must be 1 to 31622400 (got 1000000000000)
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(start_timeout_s=10**12))
