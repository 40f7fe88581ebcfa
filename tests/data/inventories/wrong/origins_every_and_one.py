"""65
services[chat].browser_origins: must be * alone
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"browser_origins": ["*", "https://app.example.com"]})
