"""65
models[own].config: must be a readable config.json (starts with a byte order mark, must be UTF-8 without one)
"""

from tests.data.inventories.wrong._sound import folder, own_model

_file = folder() / "config.json"
_file.write_text("{}", encoding="utf-8-sig")
all = own_model(str(_file))
