"""65
services[chat].overflow.url: must be a URL such as https://api.example.com/v1
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={
        "overflow": {
            "url": "https://api.example.com/v1?key=x",
            "model": "big",
            "key_env": "KEY",
            "tokens_a_day": 1,
        }
    })
