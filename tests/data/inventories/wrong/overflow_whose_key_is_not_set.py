"""65
services[chat].overflow.key_env: names RACKWRIGHT_WRONG_KEY, which is not set here: export it
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={
        "overflow": {
            "url": "https://api.example.com/v1",
            "model": "big",
            "key_env": "RACKWRIGHT_WRONG_KEY",
            "requests_a_day": 1,
        }
    })
