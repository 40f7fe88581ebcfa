"""Connections that begin while their inventory is judged anew: it was right when it last was.

To judge and plan takes this process longer than hosts take to let it in, to start a Python and to
answer, and they need it little meanwhile. So a run whose inventory is, to the last value, one that
an earlier run found right has its hosts connected to at once, and each asked what it was then asked
first (``as_before``); a host of which that is not known loads what it is about to be asked with.
Nothing is changed on any before the inventory is judged. Any other inventory is judged first.
"""

from __future__ import annotations

from itertools import islice

from gevent import idle
from gevent.event import Event
from pyinfra.api.state import State

from rackwright.installed import load_each
from rackwright.parts import between_parts, pause
from rackwright.runner.access.connector import SshAccess
from rackwright.runner.looking import begin_looking
from rackwright.runner.remote_call import give_up

PARTS = (
    "pydantic",
    "pydantic.main",
    "pydantic.fields",
    "rackwright.catalog",
    "rackwright.models.shape",
    "rackwright.models.vision",
    "rackwright.models.reading",
    "rackwright.models.gguf",
    "rackwright.spec",
    "rackwright.sizing",
    "rackwright.engines",
    "rackwright.inventory.rules",
    "rackwright.inventory.reading",
    "rackwright.planning.placing",
    "rackwright.clients",
    "rackwright.runner.fleet",
    "rackwright.desired.items",
    "rackwright.desired.render",
    "rackwright.runner.firewall",
    "rackwright.runner.first_looks",
)
"""Each of some milliseconds, with what the one before has not loaded."""


def begin(state: State) -> Event:
    """Connect to the hosts of a run in the background; no operator is asked before that event."""
    judged = Event()
    between_parts(idle)
    for host in islice(filter(state.is_host_in_limit, state.inventory), state.config.PARALLEL):
        if isinstance(host.connector, SshAccess):
            begin_looking(host, host.connector.begin(judged))
    return judged


def load() -> None:
    """Import in parts what judging the inventory and asking hosts will need."""
    load_each(PARTS, pause)


def go_on(judged: Event) -> None:
    """The inventory is right: who has to be asked for a password may be."""
    between_parts(None)
    judged.set()


def stop(state: State) -> None:
    """It is wrong after all: hang up."""
    between_parts(None)
    for host in state.inventory:
        if isinstance(host.connector, SshAccess):
            give_up(host)
            host.connector.give_up()
