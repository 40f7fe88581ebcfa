"""65
models[own].config.rope_scaling.rope_type: must be one of default, linear, dynamic, ntk, yarn, 
"""

from tests.data.inventories.wrong._sound import CONFIG, own_model

all = own_model(CONFIG | {"rope_scaling": {"rope_type": "yarm", "factor": 4}})
