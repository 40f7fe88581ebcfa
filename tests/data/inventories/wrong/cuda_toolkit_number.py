"""65
settings[gpu1].cuda_toolkit: is not a known version, did you mean '13.3'? (got '1e3')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(cuda_toolkit=("1e3",)))
