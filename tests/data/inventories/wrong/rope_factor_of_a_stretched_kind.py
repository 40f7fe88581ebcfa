"""65
models[own].config.rope_scaling.factor: must be 1 to 1000 (got 'x')
"""

from tests.data.inventories.wrong._sound import CONFIG, own_model

all = own_model(CONFIG | {"rope_scaling": {"rope_type": "llama3", "factor": "x"}})
