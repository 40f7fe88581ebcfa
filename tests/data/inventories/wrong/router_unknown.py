"""65
services[chat].router: is not a known router, did you mean 'vllm-router'?
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"router": "vllm_router"})
