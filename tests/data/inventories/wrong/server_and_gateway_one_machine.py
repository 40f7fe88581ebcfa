"""65
hosts[gw1].ssh_hostname: is the machine of hosts[198.51.100.10.] already, one machine must be one host (got '198.51.100.10')
servers[198.51.100.10.].name: must be a host name of letters, digits, dots and hyphens, or @local; the name starts and ends with neither dot nor hyphen (got '198.51.100.10.')
"""

from tests.data.inventories.wrong._sound import fleet, host, server

all = fleet(("198.51.100.10.", {"server": server()}), chat={"servers": ["198.51.100.10."]})
