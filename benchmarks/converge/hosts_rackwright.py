"""The fleet as this project's inventory declares it; a group named lab has the lab's settings."""

from benchmarks.converge.fleet import declared as _declared

_hosts, _shared = _declared()

lab = [(f"@rackwright/{name}", own) for name, own in _hosts.items()]

all = (lab, _shared)
