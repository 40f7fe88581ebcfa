"""65
services[chat].gpu_memory_utilization: must be a number (got '0.9')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"gpu_memory_utilization": "0.9"})
