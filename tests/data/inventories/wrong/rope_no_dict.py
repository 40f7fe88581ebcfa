"""65
models[own].config.rope_scaling: must be a dict of rope_type and its figures (got 'yarn')
"""

from tests.data.inventories.wrong._sound import CONFIG, own_model

all = own_model(CONFIG | {"rope_scaling": "yarn"})
