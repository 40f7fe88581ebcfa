"""The same hosts through pyinfra's own `ssh` connector."""

import os

from lab.fleet import RACK as _RACK
from lab.fleet import SPARES as _SPARES

_hosts = [*_RACK[: int(os.environ["NO_CHANGE_HOSTS"]) - 1], _SPARES[0]]
_ssh = {
    "ssh_config_file": ".cache/lab/ssh_config",
    "ssh_known_hosts_file": ".cache/lab/known_hosts",
}

all = ([host.name for host in _hosts], _ssh)
