"""The lab's spare hosts through pyinfra's own `ssh` connector."""

from lab.fleet import SPARES as _SPARES

_ssh = {
    "ssh_config_file": ".cache/lab/ssh_config",
    "ssh_known_hosts_file": ".cache/lab/known_hosts",
}

all = ([spare.name for spare in _SPARES], _ssh)
