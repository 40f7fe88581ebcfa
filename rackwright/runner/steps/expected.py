"""Servers that were looked at, before anybody knows whether a step is to be taken at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.runner.steps.work import Work


@dataclass
class Expected:
    """By server whether it has steps to take.

    ``left`` are servers whose replicas stay as they are; ``failed`` has why, by replica.
    """

    servers: dict[str, bool] = field(default_factory=dict)
    left: set[str] = field(default_factory=set)
    failed: dict[str, Exception] = field(default_factory=dict)

    def expect(self, work: Work) -> None:
        """A server that was looked at: it has steps to take where ``concerns`` says so."""
        self.servers[work.host.name] = bool(work.later or work.leaving)

    def concerns(self, host: Host) -> bool:
        """Whether a server has steps to take."""
        return self.servers.get(host.name, False)

    def leave(self, host: Host) -> None:
        """A server whose replicas stay as they are, also their processes on other servers."""
        self.left.add(host.name)

    @property
    def stopped(self) -> str:
        """Words where a step of this run failed; empty otherwise."""
        return f"{', '.join(self.failed)} failed" if self.failed else ""


_runs: WeakKeyDictionary[Inventory, Expected] = WeakKeyDictionary()


def expected(inventory: Inventory) -> Expected:
    """Those of this run."""
    return _runs.setdefault(inventory, Expected())
