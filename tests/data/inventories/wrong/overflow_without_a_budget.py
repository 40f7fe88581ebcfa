"""65
services[chat].overflow: must have a budget: requests_a_day, tokens_a_day or both
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"overflow": {"url": "https://api.example.com/v1", "model": "big", "key_env": "KEY"}})
