"""65
models[own].config: must be a readable config.json (no regular file) (got '/dev/zero')
"""

from tests.data.inventories.wrong._sound import own_model

all = own_model("/dev/zero")
