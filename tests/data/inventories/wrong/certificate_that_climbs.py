"""65
gateways[gw1].certificate: must be a path without . and .. in it (got '/etc/ssl/../shadow')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"certificate": "/etc/ssl/../shadow", "certificate_key": "/etc/ssl/key.pem"})
