"""65
settings[gpu1].vllm_requirements: must be a path without . and .. in it (got '../x.txt')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(vllm_requirements="../x.txt"))
