"""What a host is asked of the starts of a unit, and what it tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyinfra.api.host import Host

from rackwright.causes import Account, State
from rackwright.causes.account import account
from rackwright.checks.results import Status
from rackwright.desired.paths import environment_path, unit_name
from rackwright.errors import RefusedError, nearest
from rackwright.printable import LINES, printable
from rackwright.runner.fleet import FleetRun
from rackwright.runner.remote_call import call

TIMEOUT_S = 120
STATUSES = {
    State.RUNS: Status.OK,
    State.RESTARTED: Status.WARN,
    State.STARTS: Status.WARN,
    State.FAILS: Status.CRITICAL,
    State.GAVE_UP: Status.CRITICAL,
    State.STOPPED: Status.CRITICAL,
    State.ABSENT: Status.CRITICAL,
}


class Asked(NamedTuple):
    """A unit, and its environment file: what is secret in there is hidden on the host already."""

    unit: str
    environment_path: str | None


def told_of(host: Host, asked: Sequence[Asked]) -> dict[str, Account]:
    """What there is to tell of each unit, by name. Raises HostError where the host is silent."""
    request = {"units": [one._asdict() for one in asked]}
    seen: dict[str, Any] = call(host, "starts", request, timeout_s=TIMEOUT_S, kind=dict)
    return {unit: account(each) for unit, each in seen.items()}


@dataclass(frozen=True)
class Told:
    """What one host says of a replica. ``error`` is why it says nothing."""

    host: str
    unit: str
    account: Account | None
    error: str = ""

    @property
    def status(self) -> Status:
        """OK where it runs and never failed; UNKNOWN where the host did not say."""
        return STATUSES[self.account.state] if self.account else Status.UNKNOWN

    def text(self) -> str:
        """For a person; a line where it runs well."""
        if self.account is None:
            words = f"{self.unit} on {self.host}: no answer: {self.error}"
        else:
            first = f"{self.unit} on {self.host} {self.account.seen}"
            words = "\n".join(filter(None, [first, self.account.text()]))
        return printable(words, LINES)


def asked_of(fleet: FleetRun, name: str) -> dict[str, Asked]:
    """A replica's unit on each of its hosts. Raises RefusedError for one that is not planned."""
    found = {
        replica.server.name: Asked(
            unit_name(replica), environment_path(replica, fleet.settings(replica.server.name))
        )
        for replica in fleet.plan.replicas
        if replica.name == name
    }
    if not found:
        known = {replica.name for replica in fleet.plan.replicas}
        raise RefusedError(f"replica {name!r} {nearest(name, known)}")
    return found
