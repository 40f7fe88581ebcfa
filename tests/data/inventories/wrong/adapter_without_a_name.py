"""65
services[chat].adapters.: must be letters, digits and ._:/- only
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(chat={"adapters": {"": "/srv/models/sql"}})
