"""65
settings[gpu1].cache_dir: must be another folder than config_dir (got '/srv/x')
settings[gpu1].cache_dir: must be another folder than root_dir (got '/srv/x')
settings[gpu1].cache_dir: must be another folder than state_dir (got '/srv/x')
settings[gpu1].config_dir: must be another folder than root_dir (got '/srv/x')
settings[gpu1].state_dir: must be another folder than config_dir (got '/srv/x')
settings[gpu1].state_dir: must be another folder than root_dir (got '/srv/x')
"""

from tests.data.inventories.wrong._sound import fleet, host

_folders = dict.fromkeys(("root_dir", "config_dir", "state_dir", "cache_dir"), "/srv/x")
all = fleet(host(**_folders))
