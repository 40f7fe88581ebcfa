"""65
settings[gpu1].cuda_toolkit: is not a known version, expected one of 12.4, 12.5, 12.6, 12.8, 12.9, 13.0, 13.1, 13.2, 13.3 (got '')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(cuda_toolkit=("",)))
