"""`rackwright lock`: all that a fleet installs, by version and digest, in a file of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from rackwright.checks.results import Status
from rackwright.errors import Fault, InputError
from rackwright.exits import tell
from rackwright.locking import Lock, lock_path, pins_of, read_lock, write_lock
from rackwright.locking.change import Change, Uses
from rackwright.locking.changes import changes
from rackwright.locking.judging import lock_faults
from rackwright.locking.refreshing import Refreshed, refreshed
from rackwright.locking.resolving import resolved, written
from rackwright.report.lock import changes_document, changes_text
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.inventory import load_inventory
from rackwright.runner.outside import Network
from rackwright.runner.secrets import secret


@dataclass(frozen=True)
class Outcome:
    """What would be locked now, beside what is: ``missing`` is what a deploy would refuse."""

    path: Path
    old: Lock | None
    new: Refreshed
    changes: list[Change]
    missing: list[Fault]

    @property
    def status(self) -> Status:
        """CRITICAL where a deploy is refused, WARN where another lock would be written."""
        if self.missing:
            return Status.CRITICAL
        return Status.WARN if self.new.lock != self.old else Status.OK


def looked_up(inventory_path: str, said: Callable[[str], None], rehash: bool = False) -> Outcome:
    """Ask for all that is not known. Raises HostError with what could not be had."""
    inventory = load_inventory(inventory_path)
    fleet = fleet_of(inventory)
    path = lock_path(Path(inventory_path))
    old = read_lock(path)
    try:
        pins = pins_of(fleet.spec, fleet.plan)
    except OSError as error:
        raise InputError(f"{error.filename}: {error.strerror}") from None
    new = refreshed(pins, old, Network(inventory, fleet, _token(fleet)), said, rehash)
    return Outcome(
        path,
        old,
        new,
        changes(old or Lock(), new.lock, Uses.of(fleet.spec, fleet.plan, pins)),
        lock_faults(path.name, old, pins) if old else [],
    )


def _token(fleet: FleetRun) -> str:
    variables = sorted({settings.hf_token_env for settings in fleet.spec.settings.values()})
    tokens = (secret("token", variable).get("token", "") for variable in variables)
    return next(filter(None, tokens), "")


@click.command(short_help="Pin all that a fleet installs, and what that changes")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 or 2 where it is outdated.")
@click.option("--dry-run", is_flag=True, help="Write nothing; say what would change.")
@click.option("--rehash", is_flag=True, help="Read folders of models again, whatever their size.")
@click.option("--resolve", metavar="NAME==VERSION", help="Only the requirements of a release.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def lock(
    inventory: str, check: bool, dry_run: bool, rehash: bool, resolve: str | None, as_json: bool
) -> None:
    """Lock what INVENTORY installs: engines, wheels, archives, models, driver and apt packages.

    The lock lies beside the inventory (prod.lock.json). A deploy then uses only what is in it.
    With --check it exits with 1 where another lock would be written, and with 2 where a deploy
    would be refused. --resolve vllm==0.33.0 locks nothing: it writes the hash-locked requirements
    of another version of a Python release, and says what to set.
    """
    if resolve:
        _resolve(inventory, resolve, dry_run or check)
        return
    outcome = looked_up(inventory, lambda line: tell(line, err=True), rehash)
    for host, why in outcome.new.kept.items():
        tell(f"warning: {host} is as it was locked: {why}", err=True)
    if as_json:
        document = changes_document(outcome.changes, list(map(str, outcome.missing)))
        tell(json.dumps(document, indent=1))
    elif outcome.changes:
        tell(changes_text(outcome.changes))
    _end(outcome, check=check, dry_run=dry_run)


def _resolve(inventory_path: str, asked: str, dry_run: bool) -> None:
    inventory = load_inventory(inventory_path)
    fleet = fleet_of(inventory)
    settings = next(iter(fleet.spec.settings.values()))
    found = resolved(asked, settings, Network(inventory, fleet))
    tell("\n".join(found.means))
    if dry_run:
        tell(f"{found.requirements}: not written", err=True)
        return
    tell(f"{written(found)}: written; in group data it becomes the fleet's by", err=True)
    tell("\n".join(f'{key} = "{value}"' for key, value in found.settings.items()))


def _end(outcome: Outcome, check: bool, dry_run: bool) -> None:
    if outcome.new.lock == outcome.old:
        tell(f"{outcome.path}: nothing changes", err=True)
    elif check or dry_run:
        tell(f"{outcome.path}: not written", err=True)
    else:
        write_lock(outcome.path, outcome.new.lock)
        tell(f"{outcome.path}: written", err=True)
    if check:
        for fault in outcome.missing:
            tell(f"a deploy is refused: {fault}", err=True)
        sys.exit(outcome.status.exit_code)
