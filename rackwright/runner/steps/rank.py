"""One process of a replica on its server: what a step does there, each by one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from pyinfra.api.host import Host

from rackwright import checks
from rackwright.causes import error_of_the_newest
from rackwright.checks.accepting import Accepted, checks_of, with_accepted
from rackwright.checks.results import CheckResult
from rackwright.desired import paths
from rackwright.desired.items import Item, StepUnderWay, Unit, differences, query
from rackwright.engines import ENGINES
from rackwright.errors import HostError
from rackwright.plan import Replica
from rackwright.runner import seeds
from rackwright.runner.looking import STATE
from rackwright.runner.observing import observe_replica
from rackwright.runner.operations import wait_for_units
from rackwright.runner.planned import planned_replica
from rackwright.runner.remote_call import call
from rackwright.runner.starting import make_then_start
from rackwright.runner.steps.absence import last_start_s
from rackwright.runner.steps.owners import is_dead
from rackwright.runner.steps.stages import LEASE_S, Stage
from rackwright.spec import Settings

TURNS = "turns"
TIMEOUT_S = 120
"""Of a question that is answered at once. What stops an engine waits for its last requests."""


class Missing(HostError):
    """The server lacks what the replica is to be started from."""


@dataclass(frozen=True)
class Rank:
    """``items`` are all that the server must have of this replica (``desired.replicas``).

    None of them: the process leaves this server.

    ``accepted`` are findings that the operator goes on with.
    """

    host: Host
    replica: Replica
    settings: Settings
    items: Sequence[Item]
    accepted: Accepted = field(default_factory=dict)

    @property
    def unit(self) -> Unit:
        """Its unit, as it is to be; by its name alone where it leaves."""
        units = (item for item in self.items if isinstance(item, Unit))
        return next(units, Unit(paths.unit_name(self.replica)))

    def note(
        self,
        stage: Stage,
        owner: str,
        needs: Sequence[str] = (),
        heir_of: str = "",
        timeout_s: int = TIMEOUT_S,
    ) -> dict[str, Any]:
        """Write down on the server where the step is. What stood there before; ``held`` by whom.

        Not where that is who the owner is ``heir_of``. Raises Missing, with nothing written, where
        one of the paths that it ``needs`` is not there.
        """
        asked: dict[str, Any] = {"owner": owner, "heir_of": heir_of, "needs": list(needs)}
        said = self._ask("note", timeout_s, stage=stage, lease_s=LEASE_S, **asked)
        if missing := said.get("missing"):
            raise Missing(f"{self.host.name} lacks {', '.join(missing)}: run the stages before")
        return said

    def must_be_free(self, owner: str) -> None:
        """Raise HostError while a step of another run that may be alive is under way."""
        said = self._ask("held", owner=owner)
        if said.get("held") and not is_dead(str(said["held"].get("owner"))):
            raise HostError(f"{said['held'].get('owner')} is changing {self.replica.name}")

    @property
    def needs(self) -> list[str]:
        """What it is started from by the plan: release and weights. Nothing where it leaves."""
        if not self.items:
            return []
        engine = ENGINES[self.replica.service.engine]
        release = paths.release_dir(engine, self.settings)
        return [f"{release}/.complete", *paths.weights_paths(self.replica, self.settings)]

    def listening(self, where: Mapping[str, Any] | None) -> Rank:
        """The same where its process listens elsewhere (``address``, ``port``), as before."""
        if not where:
            return self
        server = self.replica.server.model_copy(update={"address": where["address"]})
        moved = {"server": server, "port": where["port"]}
        return replace(self, replica=self.replica.model_copy(update=moved))

    def way_back(self) -> dict[str, Any] | None:
        """Where what it ran before listened (``listens``); None where nothing is kept of that."""
        found = self._ask("look", replicas=[self.replica.name])[self.replica.name]
        return found if isinstance(found, dict) else None

    def key_id(self) -> str:
        """Of the engines' key in its environment on the server; empty where that has none."""
        return str(self._key("key id").get("id") or "")

    def former_key(self) -> str:
        """The engines' key that it takes once it is put back; empty for none."""
        return str(self._key("former key").get("key") or "")

    def _key(self, do: str) -> dict[str, Any]:
        variable = ENGINES[self.replica.service.engine].key_variable
        return self._ask(do, variable=variable) if variable else {}

    def keep(self) -> None:
        """Keep unit and environment of what runs, as the way back."""
        engine = ENGINES[self.replica.service.engine]
        self._ask("keep", links=[paths.former_link(engine, self.settings)])

    def apply(self) -> None:
        """Have what it must have, and have it started where that differs. Raises HostError."""
        changes = differences(self.items, call(self.host, STATE, _question(self.items)))
        changes = [one for one in changes if not isinstance(one.item, StepUnderWay)]
        make_then_start(self.host, changes, self._take_seed)

    def _take_seed(self) -> None:
        seeds.take(self.host, [self.replica], self.settings, seeds.said_by(self.host))

    def keep_seed(self) -> None:
        """Keep what it compiled, for replicas that are alike. Once it is proven; never raises."""
        seeds.make(self.host, [self.replica], self.settings, seeds.said_by(self.host))

    def wait(self) -> None:
        """Until its unit is active. Raises HostError with the first error of its log."""
        wait_for_units(self.host, [self.unit])

    def stop(self) -> None:
        """End its process, which answers what it has first."""
        self._ask("stop", timeout_s=None)

    def restart(self) -> None:
        """Start it anew as it is."""
        self._ask("restart")

    def restore(self, *, swap: bool = False) -> None:
        """Have unit and environment of before, and start it."""
        self._ask("restore", swap=swap)

    def end(self, owner: str) -> None:
        """The owner's step is under way no more."""
        self._ask("end", owner=owner)

    def observe(self, *, load: bool) -> tuple[Mapping[str, Any], list[CheckResult]]:
        """What the process answers, and what the checks say of it."""
        seen = observe_replica(self.host, self.replica, self.settings, load)
        wanted = [planned_replica(self.replica, self.settings, load)]
        own = seen["replicas"][self.replica.name]
        results = checks.judge(wanted, {self.replica.server.name: seen})
        return own, with_accepted(results, self.accepted, date.today(), checks_of(wanted))

    def last_start_s(self) -> float | None:
        """Seconds of its last start that became ready; None where the journal tells of none."""
        return last_start_s(self._starts()["starts"])

    def error_in_log(self) -> str:
        """The first error in the log of its newest start, also while that serves; empty without."""
        return error_of_the_newest(self._starts(serving=True))

    def _starts(self, **more: bool) -> dict[str, Any]:
        unit = paths.unit_name(self.replica)
        path = paths.environment_path(self.replica, self.settings)
        asked = {"units": [{"unit": unit, "environment_path": path, **more}]}
        said = call(self.host, "starts", asked, timeout_s=TIMEOUT_S, kind=dict)
        seen: dict[str, Any] = said[unit]
        return seen

    def running(self) -> int | None:
        """Requests that the engine itself counts; None where it does not say."""
        engine = ENGINES[self.replica.service.engine]
        if not engine.metrics_path or not self.replica.answers:
            return None
        said = call(self.host, "watching", [figures_request(self.replica, COUNTED)], timeout_s=60)
        figures = said["replicas"][self.replica.name].get("figures")
        known = [value for value in (figures or {}).values() if value is not None]
        return int(sum(known)) if known else None

    def _ask(self, do: str, timeout_s: int | None = TIMEOUT_S, **more: Any) -> dict[str, Any]:
        request = {
            "do": do,
            "folder": paths.turns_dir(self.settings),
            "replica": self.replica.name,
            "unit": paths.unit_name(self.replica),
            "environment": paths.environment_path(self.replica, self.settings),
            **more,
        }
        said: dict[str, Any] = call(self.host, TURNS, request, timeout_s=timeout_s, kind=dict)
        _refuse(self.host, said)
        return said


COUNTED = ("requests_running", "requests_waiting")


def figures_request(replica: Replica, wanted: Sequence[str]) -> dict[str, Any]:
    """What ``remote/watching.py`` is asked of one replica."""
    engine = ENGINES[replica.service.engine]
    figures = engine.figures_of(replica.task)
    return {
        "name": replica.name,
        "unit": paths.unit_name(replica),
        "address": replica.server.address,
        "port": replica.port,
        "path": engine.metrics_path if replica.answers else None,
        "figures": {name: figures[name] for name in wanted if name in figures},
    }


def _question(items: Sequence[Item]) -> dict[str, Any]:
    return {"do": "observe", "items": query(items)}


def _refuse(host: Host, said: Mapping[str, Any]) -> None:
    if error := said.get("error"):
        raise HostError(f"{host.name}: {error}")
