r"""65
models[evil\n[Service]\nExecStartPre=/bin/touch /tmp/x].name: must be letters, digits and ._:/- only, and start with a letter or digit (got 'evil\n[Service]\nExecStartPre=/bin/touch /tmp/x')
"""

from tests.data.inventories.wrong._sound import CONFIG, fleet

_name = "evil\n[Service]\nExecStartPre=/bin/touch /tmp/x"
_models = {_name: {"path": "/srv/models/own", "config": CONFIG}}
all = fleet(chat={"model": _name, "revision": ...}, models=_models)
