"""`rackwright usage`: what clients have used, summed over all gateways."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain

import click

from rackwright.clients.usage import PARTS, Usage, summed, usage_of
from rackwright.exits import tell
from rackwright.report.usage import usage_csv, usage_text
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.fleet import fleet_of
from rackwright.runner.gateway_state import (
    Question,
    ask_gateway,
    gateways_of,
    heard,
    must_have_answered,
)
from rackwright.runner.inventory import load_inventory
from rackwright.schema.fields import split_names


def asked(path: str, since: str) -> dict[str, Answer]:
    """``usage`` of each gateway of an inventory by name; ``{"error": why}`` of a silent one.

    ``since`` is the first day, 2026-11-01. Raises SpecError or PlanError with every fault of the
    inventory.
    """
    inventory = load_inventory(path)
    question = Question("GET", f"/usage?since={since}")
    return ask_all(
        inventory,
        lambda host: {"usage": usage_of(ask_gateway(host, question)["body"])},
        only=gateways_of(fleet_of(inventory)),
    )


def _parts(ctx: click.Context, param: click.Parameter, text: str) -> tuple[str, ...]:
    names = split_names(text)
    if not names or not {*names} <= {*PARTS}:
        raise click.BadParameter(f"must be a comma list of {', '.join(PARTS)}")
    return names


@click.command(short_help="Requests and tokens by client and model")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The first day, in UTC; else the first of this month.",
)
@click.option(
    "--by",
    default="client,model",
    show_default=True,
    callback=_parts,
    help="What is told apart: a comma list of client, model, day.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, whose columns are always the same.")
def usage(inventory: str, since: datetime | None, by: tuple[str, ...], as_csv: bool) -> None:
    """Print what clients have used by all gateways of INVENTORY together. Only reads.

    Tokens are those that the engines report. Exits with 69 where a gateway gave no answer; the sums
    are then those of the others.
    """
    first = since or datetime.now(UTC).replace(day=1)
    answers = asked(inventory, first.strftime("%Y-%m-%d"))
    found: list[list[Usage]] = [answers[name]["usage"] for name in heard(answers)]
    rows = summed(chain.from_iterable(found), by)
    tell(usage_csv(rows) if as_csv else usage_text(rows, by))
    must_have_answered(answers, "what they counted is not in these sums")
