"""Replicas that are changed at once, for they serve nobody: gateways hear of it all the same.

A gateway may still count one as in that has just died, and tries one that it has put out: with the
key and at the port of before, until it hears of the others. One that answers again must not be
sent them.
"""

from __future__ import annotations

from collections.abc import Iterator

from rackwright.desired.items import File, Unit
from rackwright.engines import ENGINES
from rackwright.plan import Replica
from rackwright.runner.secrets import engine_key_id
from rackwright.runner.steps.gates import Gates
from rackwright.runner.steps.work import Work
from rackwright.spec import Settings


def tell_of_changed(work: Work, gates: Gates) -> None:
    """Before those that were there are started as planned. Raises HostError: nothing is changed."""
    _tell(list(_started(work, new=False)), work, gates)


def tell_of_new(work: Work, gates: Gates) -> None:
    """Once those that are new here run, where no gateway gets its whole data after that."""
    _tell(list(_started(work, new=True)), work, gates)


def _started(work: Work, *, new: bool) -> Iterator[Replica]:
    for replica in work.planned:
        changes = [] if replica.name in work.later else work.own.get(replica.name, [])
        units = [change for change in changes if isinstance(change.item, Unit)]
        differs = any(isinstance(change.item, File) for change in changes)
        if replica.answers and differs and any(bool(change.seen) is not new for change in units):
            yield replica


def _tell(replicas: list[Replica], work: Work, gates: Gates) -> None:
    if replicas:
        gates.learn()
    for replica in replicas:
        put_as_planned(replica, work.settings, gates)


def put_as_planned(replica: Replica, settings: Settings, gates: Gates) -> None:
    """Have gateways send it, once it answers, the key that it is to have, where it is to listen."""
    takes_key = ENGINES[replica.service.engine].key_variable
    gates.put(replica, {}, engine_key_id(settings) if takes_key else "")
