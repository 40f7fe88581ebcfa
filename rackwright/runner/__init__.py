"""All that touches pyinfra: the connector, the batched operations, the fleet of this run."""

from rackwright.installed import load_paramiko, remember_entry_points

remember_entry_points()
load_paramiko()
