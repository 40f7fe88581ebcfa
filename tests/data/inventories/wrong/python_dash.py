"""65
settings[gpu1].engine_python: must be a Python interpreter, as text: a version, a range of them such as '>=3.11,<3.15', a name or a path (got '-c')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(engine_python="-c"))
