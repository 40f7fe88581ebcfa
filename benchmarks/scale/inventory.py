"""SCALE_SERVERS servers and two gateways, as an inventory that pyinfra reads."""

import os as _os

from benchmarks.scale.fleet import declared as _declared

_services, _hosts = _declared(int(_os.environ["SCALE_SERVERS"]))

gpu_servers = [(f"@rackwright/{name}", own) for name, own in _hosts.items() if "server" in own]
gateways = [(f"@rackwright/{name}", own) for name, own in _hosts.items() if "gateway" in own]

all = (gpu_servers + gateways, {"services": _services})
