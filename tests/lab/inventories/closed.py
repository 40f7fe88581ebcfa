"""rented.py with its weights in a folder of the operator's, whom nobody else may read."""

from tests.lab.inventories import rented as _rented

_file = {**_rented._FILE, "path": "/srv/mine/models/tiny-llama.gguf"}
_models = {"tiny": {**_rented._models["tiny"], "gguf": _file}}

lab = _rented.lab
all = (lab, {"services": _rented._services, "models": _models})
