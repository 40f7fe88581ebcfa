"""65
settings[gpu1].ollama_url: must name {version} and {arch} only in braces (got 'https://a.example/{versoin}.tar.zst')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(ollama_url="https://a.example/{versoin}.tar.zst"))
