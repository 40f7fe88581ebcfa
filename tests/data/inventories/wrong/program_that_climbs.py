"""65
settings[gpu1].llamacpp_program: must be a path without . and .. in it (got '../bin/sh')
"""

from tests.data.inventories.wrong._sound import fleet, host

all = fleet(host(llamacpp_program="../bin/sh"))
