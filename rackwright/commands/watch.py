"""`rackwright watch`: hosts asked again and again over connections that are kept."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import click
import gevent
from pyinfra.api.config import Config
from pyinfra.api.host import Host
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state
from rich.console import Console
from rich.live import Live

from rackwright.desired.paths import watchdog_dir
from rackwright.report import watch_tables
from rackwright.report.reading import FIGURES, Reading, reading
from rackwright.runner.asking import AT_ONCE, CONNECT_TIMEOUT_S, Answer, ask, quiet
from rackwright.runner.fleet import fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.remote_call import call
from rackwright.runner.steps.rank import figures_request

LIMIT_S = 15
"""To connect to a host and have its answer."""
PLAIN_WIDTH = 140
"""Columns where there is no terminal that has a width."""


class Watch:
    """The servers of an inventory, each asked by a greenlet of its own.

    A host that has not answered yet is not asked again meanwhile, so that one that is dead holds
    up nobody; it is asked for as long as one watches.
    """

    def __init__(self, path: str) -> None:
        """Raises SpecError or PlanError with every fault of the inventory."""
        inventory = load_inventory(path)
        fleet = fleet_of(inventory)
        self.plan, self._fleet = fleet.plan, fleet
        self._state = State(inventory, Config(PARALLEL=AT_ONCE, CONNECT_TIMEOUT=CONNECT_TIMEOUT_S))
        self._hosts = [host for host in inventory if host.name in self.plan.servers]
        self._asking: dict[str, Any] = {}
        self._now: dict[str, Answer] = {}
        self._before: dict[str, Answer] = {}

    def read(self, patience_s: float) -> Reading:
        """Ask every host, and wait that long at most for those that still have to answer."""
        for host in self._hosts:
            if host.name not in self._asking or self._asking[host.name].ready():
                self._asking[host.name] = gevent.spawn(self._refresh, host)
        gevent.joinall(list(self._asking.values()), timeout=patience_s)
        seen = reading(self.plan, self._now, self._before)
        accepted = list(self._fleet.spec.accepted.values())
        return replace(seen, accepted=accepted, today=date.today())

    def _refresh(self, host: Host) -> None:
        with ctx_state.use(self._state):
            answer = ask(host, self._question, LIMIT_S)
        self._before[host.name] = self._now.get(host.name, {})
        self._now[host.name] = answer

    def _question(self, host: Host) -> Answer:
        asked = [figures_request(replica, FIGURES) for replica in self.plan.on(host.name)]
        watchdog = watchdog_dir(self._fleet.settings(host.name))
        answer: Answer = call(host, "watching", asked, watchdog, kind=dict)
        return answer

    def close(self) -> None:
        """End what is still asking, and every connection."""
        gevent.killall(list(self._asking.values()))
        with ctx_state.use(self._state):
            for host in self._hosts:
                with ctx_host.use(host):
                    host.disconnect()


@contextmanager
def watching(path: str) -> Iterator[Watch]:
    """A watch over the servers of an inventory, closed at the end. Raises as ``Watch`` does."""
    quiet()
    watch = Watch(path)
    try:
        yield watch
    finally:
        watch.close()


def show(watch: Watch, interval_s: float, count: int | None) -> None:
    """Print readings until ``count`` of them were taken, or SIGINT or SIGTERM comes.

    In a terminal one table that changes; else a table a reading, the first of which waits for every
    host to answer or to be given up.
    """
    loop = gevent.spawn(_show, watch, interval_s, count)
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, loop.kill, block=False)
    loop.get()


def _show(watch: Watch, interval_s: float, count: int | None) -> None:
    console = Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal:
        console.width = PLAIN_WIDTH
        for seen in _readings(watch, interval_s, count, LIMIT_S):
            console.print(watch_tables(seen, _headline(seen)))
            console.print()
        return
    with Live(console=console, auto_refresh=False) as live:
        live.update(watch_tables(watch.read(0)), refresh=True)
        for seen in _readings(watch, interval_s, count, interval_s):
            live.update(watch_tables(seen, f"{_headline(seen)}; Ctrl-C ends"), refresh=True)


def _headline(seen: Reading) -> str:
    heard = len({row.host for row in seen.gpus} - set(seen.silent))
    silent = f", {len(seen.silent)} without an answer" if seen.silent else ""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {heard} servers{silent}"


def _readings(
    watch: Watch, interval_s: float, count: int | None, first_s: float
) -> Iterator[Reading]:
    number = 0
    while count is None or number < count:
        due = time.monotonic() + interval_s
        yield watch.read(interval_s if number else first_s)
        number += 1
        if number != count:
            gevent.sleep(max(0.0, due - time.monotonic()))


@click.command(short_help="GPUs and replicas, live")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--interval",
    type=click.FloatRange(0.5),
    default=2.0,
    show_default=True,
    help="Seconds from one reading to the next.",
)
@click.option("--count", type=click.IntRange(1), help="Readings; without end if left out.")
def watch(inventory: str, interval: float, count: int | None) -> None:
    """Show what the GPUs and replicas of INVENTORY do, again and again. Only reads; Ctrl-C ends it.

    Without a terminal each reading is a plain table. Tokens a second are shown from the second
    reading on.
    """
    with watching(inventory) as fleet:
        show(fleet, interval, count)
