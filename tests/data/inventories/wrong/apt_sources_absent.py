"""65
settings[gpu1].apt_sources[debian12]: is not a file of this project
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(apt_sources={"debian12": "mirrors/debian12.sources"}))
