"""65
settings[gpu1].driver_repository: must be a path without . and .. in it (got 'file:/srv/../x')
settings[gpu1].ollama_url: must be a path without . and .. in it (got 'file:///srv/../x')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ollama_url="file:///srv/../x", driver_repository="file:/srv/../x"))
