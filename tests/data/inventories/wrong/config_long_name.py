"""65
models[own].config: must be a readable config.json (File name too long) (got 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...)
"""

from tests.data.inventories.wrong._sound import own_model

all = own_model("x" * 5000)
