"""65
services[chat].aliases[0]: must be letters, digits and ._:/- only
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"aliases": ["a\nb"]})
