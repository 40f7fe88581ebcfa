"""65
hosts[gpu1].ssh_hostname: must be an address or a name that ssh knows, one word that starts without - (got '-oProxyCommand=x')
hosts[gpu1].ssh_user: must be the name of a user, one word that starts without - (got '-l')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ssh_hostname="-oProxyCommand=x", ssh_user="-l"))
