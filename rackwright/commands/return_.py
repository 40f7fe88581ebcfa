"""`rackwright return`: a server in quarantine proven, and back."""

from __future__ import annotations

import sys

import click

from rackwright.checks.results import worst
from rackwright.commands.gateway import a_number
from rackwright.commands.quarantine import why_of
from rackwright.exits import say, tell
from rackwright.report import terminal_text
from rackwright.runner.fleet import fleet_with_secrets
from rackwright.runner.inventory import load_inventory
from rackwright.runner.returning import Returning, Terms

MOST_MINUTES = 24 * 60


@click.command("return", short_help="Prove a server in quarantine, end that")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("host")
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, MOST_MINUTES),
    callback=a_number,
    default=5.0,
    show_default=True,
    help="How long the burn-in takes.",
)
@click.option("--skip-burn-in", is_flag=True, help="GPUs, memory errors and links alone.")
@click.option("--why", callback=why_of, help="Why there is no burn-in; kept with the proof.")
def return_(inventory: str, host: str, minutes: float, skip_burn_in: bool, why: str | None) -> None:
    """Prove HOST, a GPU server of INVENTORY in quarantine, and end the quarantine where it is well.

    Its GPUs, memory errors and links are checked; its replicas are stopped for a burn-in on all of
    its GPUs by the engine's own torch (matrix products, memory patterns, copies; DCGM's diagnosis
    where that is installed), started again and proven. What is not well leaves the quarantine, with
    that as evidence. Exits as verify does.
    """
    if skip_burn_in != (why is not None):
        raise click.UsageError("--skip-burn-in and --why go together")
    hosts = load_inventory(inventory)
    terms = Terms(minutes, why)
    fleet = fleet_with_secrets(hosts)
    proof = Returning(fleet, hosts, host, terms, lambda line: tell(line, err=True)).run()
    tell(terminal_text(proof.results))
    if proof.ended:
        tell(f"{host} is out of quarantine: {proof.words}")
        return
    say(f"{host} stays in quarantine: {proof.words}", 0)
    sys.exit(worst(proof.results))
