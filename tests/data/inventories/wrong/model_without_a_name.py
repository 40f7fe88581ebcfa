"""65
models[].name: must be letters, digits and ._:/- only, and start with a letter or digit (got '')
"""

from tests.data.inventories.wrong._sound import CONFIG, fleet

_models = {"": {"path": "/srv/models/own", "config": CONFIG}}
all = fleet(chat={"model": "", "revision": ...}, models=_models)
