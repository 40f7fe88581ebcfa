"""A wrong inventory is refused before the first connection, whatever connector its hosts have.

pyinfra connects to every host first, and loads deploy.py then. Before that it loads, of what is not
its own, the connectors that are installed: so ours brings this along. Whose run is none of this
project's (another deploy, a command on plain hosts) is left alone.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import pyinfra
from pyinfra.api import connectors
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import BaseStateCallback, State
from pyinfra.connectors.base import BaseConnector

from rackwright.exits import exits
from rackwright.installed import loading
from rackwright.runner.each_operation import at_less_cost
from rackwright.schema.files import text_of

PROJECT_NAME, ASKS_AHEAD = "rackwright", "ask_ahead("
"""In a deploy that reads our plan; in one that asks hosts what its stages look at first."""
_REFUSED = 1
"""As pyinfra ends whatever it refuses."""


def judge_inventories_first(connector: type[BaseConnector]) -> None:
    """Have every run judge its inventory as it takes it, where it is one of this project.

    So is one with a host of this ``connector``, and one that a deploy of ours is run on.
    """
    State.init = _judging(State.init, connector)  # type: ignore[method-assign]
    at_less_cost()
    vars(connectors)["entry_points"] = metadata.entry_points  # read once, see ``installed``


def _judging(init: Callable[..., None], connector: type[BaseConnector]) -> Callable[..., None]:
    @wraps(init)
    def judged(state: State, inventory: Inventory, *args: Any, **kwargs: Any) -> None:
        def start() -> None:
            init(state, inventory, *args, **kwargs)

        def judge() -> None:
            deploys = _runs_a_deploy_with(PROJECT_NAME)
            if deploys or any(host.connector_cls is connector for host in inventory):
                with loading():
                    refuse_if_faulty(inventory, deploys)

        if _runs_a_deploy_with(ASKS_AHEAD):
            _judge_and_connect(state, inventory, start, judge)
            state.add_callback_handler(_AsksAhead())
        else:
            judge()
            start()

    return judged


def _judge_and_connect(
    state: State, inventory: Inventory, start: Callable[[], None], judge: Callable[[], None]
) -> None:
    """One after the other; where the inventory was right before, it is judged meanwhile."""
    from rackwright.runner import as_before, early  # a plan connects to nobody

    if not as_before.was_right(inventory):
        judge()
        start()
        as_before.note_right(inventory)
        return
    start()
    right = early.begin(state)
    try:
        with loading():
            early.load()
        judge()
    except BaseException:
        early.stop(state)
        raise
    early.go_on(right)


class _AsksAhead(BaseStateCallback):
    """What stages look at first is asked of each host while others are still connected to."""

    @staticmethod
    def host_connect(state: State, host: Host) -> None:
        from rackwright.runner.first_looks import ask_ahead  # loaded while hosts work
        from rackwright.runner.fleet import fleet_of
        from rackwright.runner.looking import look_now

        ask_ahead(fleet_of(state.inventory), state.inventory)
        look_now(host)


def refuse_if_faulty(inventory: Inventory, deploys: bool = False) -> None:
    """End the program with every fault of an inventory; nothing where it has none.

    So are secrets judged that a run of pyinfra takes to hosts, and what is not locked where it
    ``deploys``; verbs judge what they need.
    """
    from rackwright.runner.fleet import fleet_of, fleet_to_deploy, fleet_with_secrets

    taken = fleet_to_deploy if deploys else fleet_with_secrets
    judged = taken if pyinfra.is_cli else fleet_of
    try:
        with exits():
            judged(inventory)
    except SystemExit:
        raise SystemExit(_REFUSED) from None


def _runs_a_deploy_with(word: str) -> bool:
    """Whether a file on pyinfra's command line is a deploy of ours: whether it has a word."""
    given = getattr(click.get_current_context(silent=True), "params", {}).get("operations") or ()
    return any(_has(Path(name), word) for name in given if str(name).endswith(".py"))


def _has(path: Path, word: str) -> bool:
    try:
        return word in text_of(path)
    except (OSError, ValueError):
        return False  # pyinfra says what is wrong with it
