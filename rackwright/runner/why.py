"""`rackwright why`: why a replica fails, asked of its hosts; a deploy asks the same way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyinfra.api.host import Host

from rackwright.causes import Account, State, account
from rackwright.checks.results import Status
from rackwright.desired.paths import environment_path, unit_name
from rackwright.errors import RackwrightError, nearest
from rackwright.runner.asking import ask_all
from rackwright.runner.fleet import Fleet, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.remote_call import call

STARTS = "runner/remote/starts"
TIMEOUT_S = 120
STATUSES = {
    State.RUNS: Status.OK,
    State.RESTARTED: Status.WARN,
    State.STARTS: Status.WARN,
    State.FAILS: Status.CRITICAL,
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
    seen: dict[str, Any] = call(host, STARTS, request, timeout_s=TIMEOUT_S)
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
            return f"{self.unit} on {self.host}: no answer: {self.error}"
        first = f"{self.unit} on {self.host} {self.account.seen}"
        return "\n".join(filter(None, [first, self.account.text()]))


def why(path: str, name: str) -> list[Told]:
    """What is told of a replica by every host it is on. Changes nothing on any of them.

    Raises SpecError or PlanError with every fault of the inventory, and RackwrightError for a
    replica that is not planned.
    """
    inventory = load_inventory(path)
    fleet = fleet_of(inventory)
    asked = _asked(fleet, name)

    def question(host: Host) -> dict[str, Any]:
        one = asked[host.name]
        return {"told": told_of(host, [one])[one.unit]}

    answers = ask_all(inventory, question, only=asked)
    return [_told(host, one, answers[host]) for host, one in asked.items()]


def _told(host: str, asked: Asked, answer: dict[str, Any]) -> Told:
    return Told(host, asked.unit, answer.get("told"), str(answer.get("error", "")))


def _asked(fleet: Fleet, name: str) -> dict[str, Asked]:
    """The replica's unit on each of its hosts."""
    found = {
        replica.server: Asked(
            unit_name(replica), environment_path(replica, fleet.settings(replica.server))
        )
        for replica in fleet.plan.replicas
        if replica.name == name
    }
    if not found:
        known = {replica.name for replica in fleet.plan.replicas}
        raise RackwrightError(f"replica {name!r} {nearest(name, known)}")
    return found
