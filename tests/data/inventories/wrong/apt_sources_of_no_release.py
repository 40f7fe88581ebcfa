"""65
settings[gpu1].apt_sources.Debian 12: must be a release such as debian12
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(apt_sources={"Debian 12": "README.md"}))
