"""The run, read top to bottom: `pyinfra INVENTORY deploy.py`.

The whole fleet is validated and planned before a host is touched. What the stages look at first
each host is asked at once. One stage alone: `--data stages=gateway`, or several:
`--data stages=engines,replicas,verify`.
"""

from pyinfra.context import host

from rackwright.runner.first_looks import ask_ahead
from rackwright.runner.fleet import this_fleet
from tasks.base import base
from tasks.driver import driver
from tasks.engines import engines
from tasks.firewall import firewall
from tasks.gateway import gateway
from tasks.manifest import manifest
from tasks.models import models
from tasks.replicas import replicas
from tasks.watchdog import watchdog

fleet = this_fleet()
ask_ahead(fleet, host.inventory)

if fleet.wants("base"):
    base()

if fleet.wants("firewall"):
    firewall()

if fleet.wants("driver"):
    driver()

if fleet.wants("engines"):
    engines()

if fleet.wants("models"):
    models()

if fleet.wants("replicas"):
    watchdog()
    replicas()

if fleet.wants("gateway"):
    gateway()
    manifest()

if fleet.wants("verify"):
    from tasks.seeds import seeds
    from tasks.verify import verify  # every check there is: the other stages need none

    verify()
    seeds()
