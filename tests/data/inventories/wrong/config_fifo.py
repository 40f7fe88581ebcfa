"""65
models[own].config: must be a readable config.json (no regular file)
"""

import os
import tempfile

from tests.data.inventories.wrong._sound import own_model

_pipe = f"{tempfile.mkdtemp()}/config.json"
os.mkfifo(_pipe)
all = own_model(_pipe)
