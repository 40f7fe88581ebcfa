"""65
settings[gpu1].vllm_requirements: must have each requirement with its version and --hash (Bare multi-GPU servers in, a verified LLM inference fleet ou) (got 'README.md')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(vllm_requirements="README.md"))
