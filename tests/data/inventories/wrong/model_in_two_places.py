"""65
models[own]: must have path, or repo and revision, not both
"""

from tests.data.inventories.wrong._sound import CONFIG, own_model

all = own_model(CONFIG, repo="owner/name", revision="0" * 40)
