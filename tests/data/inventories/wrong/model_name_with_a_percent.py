"""65
models[own%n].name: must be letters, digits and ._:/- only, and start with a letter or digit (got 'own%n')
"""

from tests.data.inventories.wrong._sound import CONFIG, fleet

_models = {"own%n": {"path": "/srv/models/own", "config": CONFIG}}
all = fleet(chat={"model": "own%n", "revision": ...}, models=_models)
