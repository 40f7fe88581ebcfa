"""65
services[chat].overflow.url: must be https://
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={
        "overflow": {
            "url": "http://api.example.com",
            "model": "big",
            "key_env": "KEY",
            "tokens_a_day": 1,
        }
    })
