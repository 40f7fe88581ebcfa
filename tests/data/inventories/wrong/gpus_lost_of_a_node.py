"""65
servers[gpu1].numa_nodes: must name GPUs 0 to 6, each at most once; gpus.indexes declares others (got ((0, 1, 2, 3), (4, 5, 6, 7)))
"""

from tests.data.inventories.wrong._sound import fleet, host, server

_seven = {"type": "l40s-48gb", "count": 7}
_nodes = [[0, 1, 2, 3], [4, 5, 6, 7]]
all = fleet(host(server=server(gpus=_seven, interconnect="pcie", numa_nodes=_nodes)))
