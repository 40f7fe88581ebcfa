"""The same hosts through pyinfra's own `ssh` connector."""

from benchmarks.converge.fleet import names as _names
from benchmarks.converge.fleet import ssh_data as _ssh_data

all = (_names(), _ssh_data())
