"""65
services[chat].router: must be left out, engine sglang has no such thing
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"engine": "sglang", "router": "vllm-router"})
