"""65
services[chat].served_model_name: must be letters, digits and ._:/- only, and start with a letter or digit (got '-a')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"served_model_name": "-a"})
