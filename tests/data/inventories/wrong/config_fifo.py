"""65
models[own].config: must be a readable config.json (no regular file)
"""

import os

from tests.data.inventories.wrong._sound import folder, own_model

_pipe = folder() / "config.json"
os.mkfifo(_pipe)
all = own_model(str(_pipe))
