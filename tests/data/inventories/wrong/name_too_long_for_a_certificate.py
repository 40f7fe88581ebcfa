"""65
gateways[gw1].server_name: must have at most 64 characters in a self-signed certificate; or give certificate and certificate_key (got 'llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.llm.example.com')
"""

from tests.data.inventories.wrong._sound import fleet

all = fleet(gateway={"server_name": f"{'llm.' * 16}example.com"})
