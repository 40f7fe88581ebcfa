"""`rackwright clean`: releases and weights that nothing needs any more, removed."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from rackwright.errors import HostError, RefusedError, nearest
from rackwright.exits import tell
from rackwright.report.table import table_text
from rackwright.runner.asking import Answer
from rackwright.runner.cleaning import Looked, look, remove
from rackwright.runner.fleet import FleetRun, fleet_of
from rackwright.runner.inventory import load_inventory

HEADINGS = ("HOST", "KIND", "GIB", "PATH")
GIB = 2**30


@click.command(short_help="Remove old releases and weights")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("host", required=False)
@click.option("--yes", is_flag=True, help="Remove what is listed without asking.")
@click.option("--kept", is_flag=True, help="List as well what stays, and why.")
def clean(inventory: str, host: str | None, yes: bool, kept: bool) -> None:
    """List releases and weights on the hosts of INVENTORY that nothing needs, and remove them.

    Nothing is removed before you say so. What the plan names stays, and so does what a unit on the
    host names, what `rackwright rollback` goes back to, what a process has open, and whatever was
    not made by Rackwright.
    """
    hosts = load_inventory(inventory)
    fleet = fleet_of(hosts)
    found = look(fleet, hosts, _only(fleet, host))
    tell(_listed(found, kept))
    if found.unneeded and (yes or _is_wanted()):
        silent = remove(fleet, hosts, found.unneeded, _said)
        _must_have_answered({**found.silent, **silent})
    _must_have_answered(found.silent)


def _is_wanted() -> bool:
    """Whether who sees the list says so; nobody does where there is no terminal."""
    if sys.stdin.isatty():
        return click.confirm("Remove these?", err=True)
    tell("nothing was removed: --yes removes these", err=True)
    return False


def _only(fleet: FleetRun, host: str | None) -> set[str] | None:
    if host is not None and host not in fleet.spec.settings:
        raise RefusedError(f"host {host!r} {nearest(host, fleet.spec.settings)}")
    return None if host is None else {host}


def _listed(found: Looked, kept: bool) -> str:
    parts = []
    if kept and found.kept:
        parts.append(table_text(("HOST", "STAYS", "WHY"), found.kept))
    rows = [(o.host, o.kind, f"{o.size_bytes / GIB:.1f}", o.path) for o in found.unneeded]
    if rows:
        total = sum(one.size_bytes for one in found.unneeded)
        hosts = len({one.host for one in found.unneeded})
        parts.append(table_text(HEADINGS, rows, numbers=("GIB",)))
        parts.append(f"{len(rows)} on {hosts} host(s), {total / GIB:.1f} GiB")
    else:
        parts.append("nothing that is not needed")
    return "\n\n".join(parts)


def _said(name: str, answer: Answer) -> None:
    if "error" not in answer:
        count, freed = len(answer["removed"]), answer["freed"] / GIB
        tell(f"{name}: removed {count}, {freed:.1f} GiB free again")


def _must_have_answered(silent: Mapping[str, str]) -> None:
    """Raise HostError for hosts that gave no answer; the others are done."""
    if silent:
        raise HostError("\n".join(f"{name}: {why}" for name, why in silent.items()))
