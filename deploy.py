"""The run, read top to bottom: `pyinfra INVENTORY deploy.py`.

The whole fleet is validated and planned before a host is touched. One stage alone:
`--data stages=gateway`, or several: `--data stages=engines,replicas,verify`.
"""

from rackwright.runner.fleet import this_fleet
from tasks.base import base
from tasks.driver import driver
from tasks.engines import engines
from tasks.firewall import firewall
from tasks.gateway import gateway
from tasks.models import models
from tasks.replicas import replicas
from tasks.verify import verify
from tasks.watchdog import watchdog

fleet = this_fleet()

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

if fleet.wants("verify"):
    verify()
