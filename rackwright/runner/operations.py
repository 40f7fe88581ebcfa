"""pyinfra operations that take many items at once: one command to compare, one to change."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import click
from pyinfra.api.command import FunctionCommand
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.context import host, state

from rackwright.desired.items import Change, File, Item, Unit, differences, query
from rackwright.errors import HostError
from rackwright.exits import tell
from rackwright.runner.fleet import as_locked, note_failure, note_items, without_manifest
from rackwright.runner.looking import STATE as STATE
from rackwright.runner.looking import look, to_observe
from rackwright.runner.progress import in_one_line
from rackwright.runner.remote_call import call

POLL_S = 2.0
LOOK_S = 120
"""For one look at units: a server that went without a word is waited for no longer."""
SAY_EVERY_S = 20.0


@operation()
def converge(items: Sequence[Item]) -> Generator[FunctionCommand]:
    """Make a host have all items: compared in one command, changed in another where they differ.

    Units that (re)start are then waited for; one that fails ends the host's run and says why.
    """
    if not items:
        host.noop("not for this host")
        return
    items = as_locked(host, items)
    note_items(host, items)
    try:
        changes = differences(items, look(host, STATE, {"do": "observe", "items": query(items)}))
    except HostError as error:
        yield refuse(str(error))
        return
    changes = without_manifest(host, items, changes)
    if not changes:
        host.noop(f"all {len(items)} items are as planned")
        return
    show(host, changes)
    yield FunctionCommand(apply, (changes,), {})


def refuse(message: str, what: str = "", remedy: str = "") -> FunctionCommand:
    """A command that does nothing but fail its host (see ``fail``); a dry run says it too."""
    if not state.is_executing:
        host.log_styled(message, fg="yellow")
    return FunctionCommand(_refuse, (message, what, remedy), {})


def _refuse(state: Any, host: Host, message: str, what: str, remedy: str) -> bool:
    return fail(host, message, what, remedy)


def fail(host: Host, message: str, what: str = "", remedy: str = "") -> bool:
    """Say why a host does not go on. ``what`` and ``remedy`` are that in short, for the report."""
    note_failure(host, what or message, remedy)
    host.log_styled(message, fg="red")
    return False


def apply(state: Any, host: Host, changes: Sequence[Change]) -> bool:
    """Make changes on a host, and wait for its units; pyinfra calls it by these names."""
    try:
        from rackwright.runner.supplies import to_apply  # mirrors and bundles: to look needs none

        reply = call(host, STATE, to_apply(host, changes))
        if error := reply.get("error"):
            return fail(host, error)
        return await_units(host, [c.item for c in changes if isinstance(c.item, Unit)])
    except HostError as error:
        return fail(host, str(error))


def show(host: Host, changes: Sequence[Change]) -> None:
    """Name each change; once a run, that is while preparing if pyinfra looks for changes then."""
    if state.is_executing and state.check_for_changes:
        return
    for change in changes:
        host.log(f"  {click.style('~', 'yellow')} {change}")
        if state.config.DIFF and isinstance(change.item, File):
            _show_diff(change.item, change)


def _show_diff(item: File, change: Change) -> None:
    if item.secret:
        tell("      (secret: content not shown)", err=True)
        return
    if b"\0" in item.content:
        tell("      (a program: content not shown)", err=True)
        return
    old = (change.seen.get("text") or "").splitlines()
    new = item.content.decode(errors="replace").splitlines()
    for line in difflib.unified_diff(old, new, "on the host", "as planned", lineterm="", n=2):
        colour = {"+": "green", "-": "red"}.get(line[:1])
        tell(f"      {click.style(line, colour)}", err=True)


class NotStarted(HostError):
    """A unit did not become active; ``what`` and ``remedy`` are that in short, for the report."""

    def __init__(self, words: str, what: str = "", remedy: str = "") -> None:
        """``words`` are all that is known of it."""
        super().__init__(words)
        self.what, self.remedy = what or words, remedy


def await_units(host: Host, units: Sequence[Unit]) -> bool:
    """Wait until every unit is active; False when one fails, which is explained."""
    try:
        wait_for_units(host, units)
    except NotStarted as error:
        return fail(host, str(error), error.what, error.remedy)
    return True


def wait_for_units(host: Host, units: Sequence[Unit]) -> None:
    """Wait until every unit is active. Raises NotStarted, HostError where the host is silent."""
    waiting, started = list(units), time.monotonic()
    said = started
    while waiting:
        seen = call(host, STATE, {"do": "observe", "items": query(waiting)}, timeout_s=LOOK_S)
        elapsed_s = time.monotonic() - started
        for unit, now in zip(waiting, seen, strict=True):
            if _has_failed(unit, now, elapsed_s):
                raise _explained(host, unit, now, elapsed_s)
        pairs = zip(waiting, seen, strict=True)
        waiting = [unit for unit, now in pairs if now["active"] != "active"]
        if waiting and time.monotonic() - said > SAY_EVERY_S:
            said = time.monotonic()
            host.log(f"  waiting for {', '.join(u.key for u in waiting)} ({elapsed_s:.0f} s)")
        if waiting:
            time.sleep(POLL_S)


def _has_failed(unit: Unit, seen: dict[str, Any], elapsed_s: float) -> bool:
    """Gone, failed, restarted by systemd while it was started, or too late."""
    if not seen or seen["active"] == "failed":
        return True
    return seen["active"] != "active" and (seen["restarts"] > 0 or elapsed_s > unit.start_timeout_s)


def _explained(host: Host, unit: Unit, seen: dict[str, Any], elapsed_s: float) -> NotStarted:
    """What the log of the start that failed tells, not how it ends."""
    from rackwright.causes import State  # every cause there is: read where something failed
    from rackwright.runner.starts import Asked, told_of

    state = f"{seen['active']}, {seen['restarts']} restarts" if seen else "the unit is gone"
    words = f"{unit.key} did not start in {elapsed_s:.0f} s: {state}."
    try:
        told = told_of(host, [Asked(unit.key, next(_environment_of(unit), None))])[unit.key]
    except HostError as error:
        return NotStarted(f"{words}\n{error}", f"{unit.key} did not start")
    gave_up = [f"  It {told.seen}"] if told.state is State.GAVE_UP else []
    words = "\n".join([words, *gave_up, told.text()])
    return NotStarted(words, f"{unit.key} did not start: {told.summary}", told.remedy)


def _environment_of(unit: Unit) -> Iterator[str]:
    return (one.key for one in unit.restart_on if isinstance(one, File) and one.secret)


def unless_done(
    script: str, request: dict[str, Any] | None, doing: str, do: Callable[[Host], Any]
) -> Generator[FunctionCommand]:
    """Have what a script says is missing; ``do`` shows what it says meanwhile."""
    if request is None:
        host.noop("not for this host")
        return
    try:
        missing = look(host, script, to_observe(request))
    except HostError as error:
        yield refuse(str(error))
        return
    if not missing:
        host.noop("already there")
        return
    host.log(f"  {click.style('~', 'yellow')} {doing}: {_words(missing)}")
    yield FunctionCommand(_do, (do,), {})


def _words(missing: Any) -> str:
    if isinstance(missing, dict):
        return "; ".join(missing.values())
    return ", ".join(missing)


def _do(state: Any, host: Host, do: Callable[[Host], Any]) -> bool:
    try:
        with in_one_line():
            do(host)
    except HostError as error:
        return fail(host, str(error))
    return True
