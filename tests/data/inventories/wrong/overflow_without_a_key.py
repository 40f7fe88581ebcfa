"""65
services[chat].overflow.key_env: is required
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"overflow": {"url": "https://api.example.com", "model": "big", "tokens_a_day": 1}})
