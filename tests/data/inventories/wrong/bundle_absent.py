"""65
settings.bundle: must be a bundle: bundle /nowhere/at/all has no manifest.json: it is absent
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(bundle="/nowhere/at/all"))
