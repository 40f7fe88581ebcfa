"""65
settings[gpu1].llamacpp_program: must be a path relative to the project, of letters, digits and ._@+-, no name of which starts with - (got '-server')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(llamacpp_program="-server"))
