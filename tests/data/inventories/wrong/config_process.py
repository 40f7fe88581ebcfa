"""65
models[own].config: must be a readable config.json (Input/output error) (got '/proc/self/mem')
"""

from tests.data.inventories.wrong._sound import own_model

all = own_model("/proc/self/mem")
