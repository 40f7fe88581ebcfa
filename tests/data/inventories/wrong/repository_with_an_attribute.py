"""65
settings[gpu1].driver_repository: must name {distribution} and {architecture} only in braces (got 'https://a.example/{distribution.__class__}/')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(driver_repository="https://a.example/{distribution.__class__}/"))
