"""65
gpus[1]: names gpu1, as gpus[0] does already (got 'gpu1')
"""

from tests.data.inventories.wrong._sound import fleet, host

gpus = [host(), host()]
all = (gpus + fleet()[0][1:], fleet()[1])
