"""65
services[chat].aliases[0]: is a name of services[chat] already (got
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"aliases": ["llama-3.1-8b-instruct"]})
