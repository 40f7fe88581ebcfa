"""65
settings[gpu1].vllm_requirements: is not a file of this project that can be read (no regular file) (got 'rackwright')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(vllm_requirements="rackwright"))
