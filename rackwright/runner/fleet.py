"""The fleet of this run: its spec and plan, made once from pyinfra's inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from pyinfra.api.exceptions import DeployError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import host as current_host

from rackwright.causes.secrets import redacted
from rackwright.checks.results import CheckResult
from rackwright.desired.paths import PROJECT
from rackwright.errors import Fault, RackwrightError, SpecError
from rackwright.exits import tell
from rackwright.inventory.reading import load_fleet
from rackwright.inventory.settings import host_settings
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.placing import plan
from rackwright.report import plan_text
from rackwright.runner.host_data import host_data, pyinfra_keys
from rackwright.runner.inventory_file import file_faults
from rackwright.runner.progress import heard_first
from rackwright.spec import FleetSpec, GatewaySpec, ServerSpec, Settings

MOST_CHARACTERS = 500
"""Of what is said of a failure in the report; the run's own output has all of it."""


class StageFailure(NamedTuple):
    """What ended a host's run: the operation's name, what failed, and what to do about it."""

    stage: str
    what: str
    remedy: str


@dataclass
class FleetRun:
    """Spec and plan of all hosts, and what this run has observed of them so far.

    ``failed`` has the hosts that a stage refused to go on with, and why.
    """

    spec: FleetSpec
    plan: FleetPlan
    observations: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, StageFailure] = field(default_factory=dict)
    results: list[CheckResult] = field(default_factory=list)
    judged: frozenset[str] = frozenset()
    shown: bool = False

    def settings(self, name: str) -> Settings:
        """Group data of one host."""
        return self.spec.settings[name]

    def wants(self, stage: str) -> bool:
        """Whether the current host is to go through a stage (``--data stages=engines,gateway``)."""
        return stage in self.settings(current_host.name).stage_names

    @property
    def server(self) -> ServerSpec | None:
        """The current host as a GPU server; None when it is not one."""
        return self.spec.servers.get(current_host.name)

    @property
    def gateway(self) -> GatewaySpec | None:
        """The current host as a gateway; None when it is not one."""
        return self.spec.gateways.get(current_host.name)

    @property
    def replicas(self) -> tuple[Replica, ...]:
        """The replicas planned on the current host."""
        return self.plan.on(current_host.name)


_fleets: WeakKeyDictionary[Inventory, FleetRun] = WeakKeyDictionary()


def fleet_of(inventory: Inventory) -> FleetRun:
    """Spec and plan of an inventory, made on the first call.

    Raises SpecError or PlanError with every fault found.
    """
    if inventory not in _fleets:
        spec = load_fleet(host_data(inventory), pyinfra_keys(), file_faults(inventory))
        if absent := list(_absent_files(spec)):
            raise SpecError(absent)
        _fleets[inventory] = FleetRun(spec, plan(spec))
    return _fleets[inventory]


def note_failure(host: Host, what: str, remedy: str) -> None:
    """Keep why a host does not go on, for the report; the first word on it counts."""
    fleet = _fleets.get(host.inventory)
    if fleet is not None:
        short = " ".join(redacted(what).split())[:MOST_CHARACTERS]
        fleet.failed.setdefault(host.name, StageFailure(_operation(host), short, remedy))


def _operation(host: Host) -> str:
    """The name of what the host is doing: ``Replicas | Units and environment files``."""
    operation = host.state.op_meta.get(host.executing_op_hash or "")
    return ", ".join(sorted(operation.names)) if operation else "a stage without a name"


def _absent_files(spec: FleetSpec) -> Iterator[Fault]:
    """Files that group data names and the checkout does not have."""
    for name, settings in spec.settings.items():
        for key in filter(_names_a_file, host_settings().model_fields):
            relative = getattr(settings, key)
            if name in spec.servers and relative and not (PROJECT / relative).is_file():
                yield Fault(f"settings[{name}].{key}", "is not a file of this project", relative)
            elif name in spec.servers and key == "driver_repository_key" and relative:
                yield from _unarmored(f"settings[{name}].{key}", relative)


def _names_a_file(key: str) -> bool:
    return key.endswith("_requirements") or key == "driver_repository_key"


def _unarmored(path: str, relative: str) -> Iterator[Fault]:
    """apt reads a key inside a source file only where it is text."""
    if b"-----BEGIN PGP PUBLIC KEY BLOCK-----" not in (PROJECT / relative).read_bytes():
        yield Fault(path, "must be an armored public key (`gpg --armor --export`)", relative)


def this_fleet() -> FleetRun:
    """The fleet of the running deploy; its plan is printed once.

    Raises pyinfra's DeployError when the inventory is faulty, which pyinfra shows as one message.
    """
    try:
        fleet = fleet_of(current_host.inventory)
    except RackwrightError as error:
        raise DeployError(str(error)) from None
    if not fleet.shown:
        fleet.shown = True
        heard_first()
        tell(f"\n{plan_text(fleet.plan)}\n", err=True)
    return fleet
