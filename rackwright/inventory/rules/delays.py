"""Rules of settings that must fit one another."""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.errors import Fault, gathered
from rackwright.spec import FleetSpec, Settings


def delay_faults(fleet: FleetSpec) -> Iterator[Fault]:
    """The longest wait before a restart is no shorter than the first."""
    found = ((name, fault) for name, own in fleet.settings.items() for fault in _restarts(own))
    yield from gathered(found)


def _restarts(settings: Settings) -> Iterator[Fault]:
    first, longest = settings.restart_delay_s, settings.restart_delay_max_s
    if longest < first:
        rule = f"must be at least restart_delay_s, {first}"
        yield Fault("settings.restart_delay_max_s", rule, longest)
