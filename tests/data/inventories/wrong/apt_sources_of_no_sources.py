"""65
settings[gpu1].apt_sources[debian12]: must have sources as deb822
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(apt_sources={"debian12": "README.md"}))
