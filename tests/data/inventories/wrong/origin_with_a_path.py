"""65
services[chat].browser_origins[0]: must be an origin such as https://app.example.com, without a path
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"browser_origins": ["https://app.example.com/"]})
