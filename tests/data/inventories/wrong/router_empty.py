"""65
services[chat].router: is not a known router, expected one of vllm-router
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"router": ""})
