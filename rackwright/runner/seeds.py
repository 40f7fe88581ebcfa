"""Seeds of compiled code: taken before a replica starts, made once it is proven.

Whatever goes wrong with one is said, and is no fault of the run: without it an engine compiles.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any

from pydantic import Field
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host as current_host
from pyinfra.context import state

from rackwright.desired.seeds import alike_elsewhere, has_seed, request
from rackwright.errors import RackwrightError
from rackwright.plan import Replica
from rackwright.runner.asking import GARBLED, SILENT, reach
from rackwright.runner.carrying_seeds import About, ask_seeds, carried
from rackwright.runner.fleet import fleet_of, this_fleet
from rackwright.spec import Settings

PACKING_S = 900
TROUBLE = (RackwrightError, *SILENT, *GARBLED)

Say = Callable[[str, str], None]


class Kept(About):
    """A seed that a server has."""

    digest: str = Field(pattern="^[0-9a-f]{32}$")


def take(host: Host, replicas: Sequence[Replica], settings: Settings, say: Say) -> None:
    """Give replicas that are about to start what alike ones compiled, if there is a seed.

    One of the server's own, or else of another server: carried here through this machine, kept
    here too. ``say`` hears a replica's name and words.
    """
    wanted = [replica for replica in replicas if has_seed(replica, settings)]
    if not wanted:
        return
    try:
        seen = ask_seeds(host, request("look", settings, wanted))
        lacking = [replica for replica in wanted if not seen[replica.name]["has"]]
        absent = [replica for replica in lacking if not seen[replica.name]["there"]]
        for digest, replica in {seen[one.name]["digest"]: one for one in absent}.items():
            _bring(host, replica, settings, digest, say)
        if lacking:
            _tell(ask_seeds(host, request("take", settings, lacking), PACKING_S), say)
    except TROUBLE as error:
        say(wanted[0].name, f"starts without a seed: {error}")


def make(host: Host, replicas: Sequence[Replica], settings: Settings, say: Say) -> None:
    """Keep what proven replicas compiled, where nobody alike has done so on their server."""
    wanted = [replica for replica in replicas if has_seed(replica, settings)]
    if not wanted:
        return
    try:
        _tell(ask_seeds(host, request("make", settings, wanted), PACKING_S), say)
    except TROUBLE as error:
        say(wanted[0].name, f"no seed was made: {error}")


def listed(host: Host, settings: Settings) -> dict[str, Any]:
    """A server's seeds, and what its replicas have. Raises HostError, ValueError for nonsense."""
    said = ask_seeds(host, request("list", settings))
    seeds = [Kept.model_validate(one).model_dump() for one in said["seeds"]]
    has = {name: note for name, note in said["replicas"].items() if isinstance(note, dict)}
    return {"seeds": seeds, "replicas": has}


def said_by(host: Host) -> Say:
    """Words of a replica as lines of its server."""
    return lambda name, words: host.log(f"  {name}: {words}")


@operation()
def keep_seeds() -> Generator[FunctionCommand]:
    """Keep what the replicas compiled that this run started, and then proved.

    What there is nothing new of is no change.
    """
    if not state.is_executing:
        return
    fleet, told = this_fleet(), list[tuple[str, str]]()
    started = fleet.started.get(current_host.name, set())
    replicas = [one for one in fleet.replicas if one.name in started]
    lasting = current_host.inventory.get_host(current_host.name)  # outlives this context
    make(lasting, replicas, fleet.settings(lasting.name), lambda *words: told.append(words))
    if told:
        yield FunctionCommand(_say, (told,), {})
    else:
        current_host.noop("no replica was started that compiled anything new")


def _say(state: Any, host: Host, told: Sequence[tuple[str, str]]) -> None:
    for name, words in told:
        said_by(host)(name, words)


def _tell(words: dict[str, str], say: Say) -> None:
    for name, told in words.items():
        if told:
            say(name, told)


def _bring(host: Host, replica: Replica, settings: Settings, digest: str, say: Say) -> None:
    """From the first server that has it; a server that does not answer has none."""
    fleet = fleet_of(host.inventory)
    for name in alike_elsewhere(replica, fleet.plan, fleet.spec):
        try:
            source = reach(host.inventory, name), fleet.settings(name)
            if carried(host, settings, digest, source):
                say(replica.name, f"seed {digest[:8]} brought from {name}")
                return
        except TROUBLE as error:
            say(replica.name, f"seed {digest[:8]} was not brought from {name}: {error}")
