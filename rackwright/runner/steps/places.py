"""What replicas' processes take for themselves on a server, and what they have of it now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rackwright.desired import paths
from rackwright.desired.items import File, Item, Unit
from rackwright.errors import HostError
from rackwright.plan import FleetPlan, Replica
from rackwright.planning.beside import BESIDE, stand_in
from rackwright.remote.items.places import places_of
from rackwright.runner.named_replicas import ranks_of
from rackwright.runner.remote_call import call
from rackwright.runner.steps.order import Pending
from rackwright.runner.steps.rank import TIMEOUT_S, TURNS
from rackwright.runner.steps.work import Work

Places = frozenset[str]
"""``gpu1: port 8000``, ``gpu1: GPU GPU-0000-aaaa``."""


def held_on(work: Work) -> dict[str, Places]:
    """What each replica has that has a unit on a server, planned there or not, by its name.

    Raises HostError.
    """
    pattern = f"{paths.UNIT_PREFIX}*.service"
    asked = {"do": "places", "folder": paths.turns_dir(work.settings), "pattern": pattern}
    said = call(work.host, TURNS, asked, timeout_s=TIMEOUT_S, kind=dict)
    if error := said.get("error"):
        raise HostError(f"{work.host.name}: {error}")
    return {name: _of(work, places) for name, places in said.items()}


def wanted_of(work: Work, items: Sequence[Item]) -> Places:
    """What a process takes there, by the files that its unit is started from."""
    units = (item for item in items if isinstance(item, Unit))
    files = [one for unit in units for one in unit.restart_on if isinstance(one, File)]
    text = "\n".join(one.content.decode(errors="replace") for one in files)
    return _of(work, places_of(text))


def with_places(
    pending: Sequence[Pending], plan: FleetPlan, work: Callable[[str], Work]
) -> list[Pending]:
    """The same, each with the places that it takes, and those that it has; ``work`` by server."""
    works = {name: work(name) for name in dict.fromkeys(h for one in pending for h in one.hosts)}
    held = {name: held_on(work) for name, work in works.items()}

    def placed(one: Pending) -> Pending:
        ranks = _ranks(plan, one)
        takes = (wanted_of(works[r.server.name], works[r.server.name].make(r)) for r in ranks)
        has = (held[host].get(one.name, frozenset()) for host in one.hosts)
        return replace(one, takes=frozenset().union(*takes), has=frozenset().union(*has))

    return [placed(one) for one in pending]


def _ranks(plan: FleetPlan, one: Pending) -> tuple[Replica, ...]:
    """What is planned of it; of a copy what is planned beside."""
    if not one.beside:
        return ranks_of(plan, one.name)
    beside = ranks_of(plan, one.name.removesuffix(BESIDE))
    copy = stand_in(plan, beside[0]) if beside else None
    return (copy,) if copy else ()


def require_room(work: Work, service: str) -> None:
    """Raise HostError where a replica takes what another one has that this run leaves alone."""
    held = {name: its for name, its in held_on(work).items() if name not in work.items}
    for name, items in work.items.items():
        wanted = wanted_of(work, items)
        for other, its in held.items():
            if both := sorted(wanted & its):
                raise HostError(
                    f"{name} is to have {' and '.join(both)}, which {other} has yet: roll out "
                    f"without --service {service}, so that {other} is changed too"
                )


def _of(work: Work, places: Iterable[str]) -> Places:
    return frozenset(f"{work.host.name}: {place}" for place in places)
