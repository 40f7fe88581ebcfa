"""Something fetched once: who of the fleet has it, who lacks it, and one exchange among these.

The first host that lacks something asks all that may have it. Those that have it give, and each
that lacks it takes: from the others, or from the origin, which one of them asks. Both sides are
told a token that is this exchange's alone; nothing listens after it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

import gevent
from gevent.lock import RLock
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_host, ctx_state

from rackwright.errors import HostError
from rackwright.planning.sideways import sideways_port_of
from rackwright.remote.sideways.content import content_of
from rackwright.runner.asking import GARBLED, reach
from rackwright.runner.fleet import FleetRun

MOST_GIVERS = 16
"""Of servers that have all of a content: more would only listen."""
BYTES_PER_MBIT = 125_000

Values = dict[str, Any]


class Seen(NamedTuple):
    """What a host says of one content: whether it lacks it, and else the folder that it is in.

    ``what`` is the same wherever it is the same; ``files`` are its files where the host knows them.
    """

    what: str
    label: str
    is_lacking: bool
    folder: str = ""
    files: list[Any] | None = None


class Goods(Protocol):
    """A kind of what servers give one another: how hosts are asked of it."""

    kind: str
    only_of_run: bool
    """Whether hosts that are no part of the run are left alone."""

    def look(self, fleet: FleetRun, host: Host) -> list[Seen]:
        """What a host says of all that it is to have. Raises HostError."""
        ...

    def tell(self, fleet: FleetRun, host: Host, what: str) -> list[Any]:
        """The files of what a host lacks and nobody has. Raises HostError."""
        ...

    def give(self, fleet: FleetRun, host: Host, terms: Values, whole: list[Values]) -> None:
        """Have a host that lacks nothing give, until the others have it. Raises HostError."""
        ...


@dataclass
class Content:
    """What some lack: its files by name, size and digest; who lacks it, and who has it where.

    ``key`` is what hosts call it.
    """

    label: str
    files: list[Any]
    key: str
    takers: list[str]
    holders: dict[str, str] = field(default_factory=dict)


@dataclass
class Exchange:
    """One exchange, between servers that are named in ``ways`` with address and port."""

    token: str
    ways: dict[str, tuple[str, int]]
    contents: dict[str, Content] = field(default_factory=dict)
    running: int = 0

    def terms(self, fleet: FleetRun, name: str) -> Values:
        """What a host has to know of the others; nothing where it goes alone."""
        own = [c for c in self.contents.values() if name in (*c.takers, *c.holders)]
        limit = fleet.settings(name).sideways_mbit_per_s
        bound = {"bytes_per_s": limit * BYTES_PER_MBIT if limit else None}
        if name not in self.ways or not own:
            return bound
        address, port = self.ways[name]
        others = {other for one in own for other in (*one.takers, *one.holders)} - {name}
        return {
            **bound,
            "token": self.token,
            "me": name,
            "address": address,
            "port": port,
            "peers": {other: self.ways[other] for other in sorted(others)},
            "takers": {one.key: one.takers for one in own},
            "holders": {one.key: list(one.holders) for one in own},
        }

    def whole_on(self, name: str) -> list[Values]:
        """What a host gives from the begin."""
        return [
            {"label": one.label, "files": one.files, "folder": one.holders[name]}
            for one in self.contents.values()
            if name in one.holders
        ]


_exchanges: WeakKeyDictionary[Inventory, dict[str, Exchange]] = WeakKeyDictionary()
_beginning = RLock()


def supplied(host: Host, script: str, request: Mapping[str, Any]) -> Values:
    """A request, and where the host has its files from that no other gives. Raises HostError."""
    from rackwright.runner.supplies import with_supply  # mirrors and bundles: to look needs none

    return with_supply(host, script, request)


@contextmanager
def taking_part(fleet: FleetRun, host: Host, goods: Goods) -> Iterator[Exchange]:
    """The exchange under way, or another where none is. Raises HostError."""
    with _beginning:
        known = _exchanges.setdefault(host.inventory, {})
        exchange = known.get(goods.kind)
        if exchange is None:
            exchange = known[goods.kind] = _begun(fleet, host, goods)
        exchange.running += 1
    try:
        yield exchange
    finally:
        exchange.running -= 1
        if not exchange.running and known.get(goods.kind) is exchange:
            del known[goods.kind]


def _begun(fleet: FleetRun, host: Host, goods: Goods) -> Exchange:
    """Ask who has what, and have those that have it give."""
    ports = {name: sideways_port_of(name, fleet.spec, fleet.plan) for name in fleet.spec.servers}
    servers = fleet.spec.servers
    ways = {name: (servers[name].address, port) for name, port in ports.items() if port is not None}
    exchange = Exchange(secrets.token_urlsafe(32), ways)
    if host.name not in ways or len(ways) < 2:
        return exchange
    in_run = {one.name for one in host.state.active_hosts} | {host.name}
    asked = [name for name in ways if name in in_run or not goods.only_of_run]
    seen = _side_by_side(host, asked, lambda one: goods.look(fleet, one))
    for what, rows in _by_content(seen).items():
        takers = [name for name, row in rows.items() if row.is_lacking and name in in_run]
        holders = {name: row.folder for name, row in rows.items() if not row.is_lacking}
        if takers and len(takers) + len(holders) > 1:
            given = dict(list(holders.items())[:MOST_GIVERS])
            try:
                files = _files(fleet, host, goods, what, rows, takers)
                label = next(iter(rows.values())).label
                exchange.contents[what] = Content(label, files, _key(files), takers, given)
            except HostError as error:
                host.log(f"  each server fetches for itself: {error}")
    _have_given(fleet, host, goods, exchange)
    return exchange


def _by_content(seen: Mapping[str, Any]) -> dict[str, dict[str, Seen]]:
    found: dict[str, dict[str, Seen]] = {}
    for name, rows in seen.items():
        for row in rows if isinstance(rows, list) else ():
            found.setdefault(row.what, {})[name] = row
    return found


def _files(
    fleet: FleetRun,
    host: Host,
    goods: Goods,
    what: str,
    rows: Mapping[str, Seen],
    takers: Iterable[str],
) -> list[Any]:
    """As one knows them; else as one of those that lack it is told. Raises HostError."""
    if known := next((row.files for row in rows.values() if row.files), None):
        return known
    failed: list[HostError] = []
    for name in takers:
        try:
            return goods.tell(fleet, _reached(host, name), what)
        except HostError as error:
            failed.append(error)
    raise failed[0]


def _key(files: list[Any]) -> str:
    try:
        return content_of({"label": "", "files": files}).key
    except (ValueError, *GARBLED) as error:
        raise HostError(f"what is said of its files cannot be read: {error}") from None


def _reached(host: Host, name: str) -> Host:
    return host if name == host.name else reach(host.inventory, name)


def _side_by_side(host: Host, names: Iterable[str], ask: Callable[[Host], Any]) -> dict[str, Any]:
    """What each host answers, or the HostError that it came to."""

    def one(name: str) -> Any:
        with ctx_state.use(host.state), ctx_host.use(host):
            try:
                return ask(_reached(host, name))
            except HostError as error:
                return error
            except GARBLED as error:
                return HostError(f"{name}: an answer that cannot be read: {error}")

    greenlets = {name: gevent.spawn(one, name) for name in names}
    return {name: greenlet.get() for name, greenlet in greenlets.items()}


def _have_given(fleet: FleetRun, host: Host, goods: Goods, exchange: Exchange) -> None:
    """Those that have something and lack nothing give, each until those that lack it have it."""
    contents = exchange.contents.values()
    taking = {name for one in contents for name in one.takers}
    for name in sorted({name for one in contents for name in one.holders} - taking):
        gevent.spawn(_give, fleet, host, name, goods, exchange)


def _give(fleet: FleetRun, host: Host, name: str, goods: Goods, exchange: Exchange) -> None:
    terms, whole = exchange.terms(fleet, name), exchange.whole_on(name)
    with ctx_state.use(host.state), ctx_host.use(host):
        try:
            goods.give(fleet, _reached(host, name), terms, whole)
        except HostError as error:
            host.log(f"  {name} gives nothing: {error}")
