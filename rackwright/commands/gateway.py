"""`rackwright gateway`: what the gateways do now, and where they send no requests for a while."""

from __future__ import annotations

import json
from math import isnan
from typing import Any

import click

from rackwright.exits import tell
from rackwright.report.gateway import gateway_text, replica_words
from rackwright.runner.fleet import fleet_of
from rackwright.runner.gateway_state import (
    Question,
    ask_gateways,
    change_replica,
    gateways_of,
    heard,
    must_have_answered,
)
from rackwright.runner.inventory import load_inventory

ON = click.option("--on", "on", help="One gateway alone, by its name; else all.")
HIGHEST_WEIGHT, MOST_WHY_BYTES = 100, 200


@click.group(short_help="Live state of the gateways, drains")
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.pass_context
def gateway(ctx: click.Context, inventory: str) -> None:
    """What the gateways of INVENTORY do now, and which replicas they send requests to.

    A change works at once and is kept over reloads and restarts; no request is cut off by it.
    """
    ctx.obj = inventory


@gateway.command(short_help="Services, replicas, clients")
@ON
@click.option("--json", "as_json", is_flag=True, help="Print what the gateways say as JSON.")
@click.pass_obj
def status(inventory: str, on: str | None, as_json: bool) -> None:
    """Print requests in flight and waiting, and the state of each replica with its reason."""
    hosts = load_inventory(inventory)
    answers = ask_gateways(hosts, Question("GET", "/state"), gateways_of(fleet_of(hosts), on))
    states = {name: answers[name]["body"] for name in heard(answers)}
    if as_json:
        tell(json.dumps({"schema": 1, "gateways": {**answers, **states}}, indent=1))
    elif states:
        tell(gateway_text(states))
    must_have_answered(answers)


def short_why(ctx: click.Context, param: click.Parameter, text: str) -> str:
    """As much as a gateway keeps."""
    if not 0 < len(text.encode()) <= MOST_WHY_BYTES:
        raise click.BadParameter(f"must have 1 to {MOST_WHY_BYTES} letters")
    return text


@gateway.command(short_help="Send a replica no new requests")
@click.argument("replica")
@click.option("--why", default="by hand", callback=short_why, help="Shown beside its state.")
@ON
@click.pass_obj
def drain(inventory: str, replica: str, why: str, on: str | None) -> None:
    """Send no new requests to REPLICA; those that it has are answered."""
    _change(inventory, replica, {"drained": True, "why": why}, on)


@gateway.command(short_help="Send a drained replica requests again")
@click.argument("replica")
@ON
@click.pass_obj
def undrain(inventory: str, replica: str, on: str | None) -> None:
    """Send requests to REPLICA again."""
    _change(inventory, replica, {"drained": False}, on)


def a_number(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Not a number is in every range."""
    if isnan(value):
        raise click.BadParameter("must be a number")
    return value


@gateway.command(short_help="A replica's share of requests")
@click.argument("replica")
@click.argument(
    "weight", type=click.FloatRange(0, HIGHEST_WEIGHT, min_open=True), callback=a_number
)
@ON
@click.pass_obj
def weight(inventory: str, replica: str, weight: float, on: str | None) -> None:
    """Give REPLICA another share of its service's requests; its best replica has 1 by the plan."""
    _change(inventory, replica, {"weight": weight}, on)


def _change(inventory: str, replica: str, wanted: dict[str, Any], on: str | None) -> None:
    hosts = load_inventory(inventory)
    answers = change_replica(hosts, fleet_of(hosts), replica, wanted, on)
    for name in heard(answers):
        tell(f"{name}: {replica} {replica_words(answers[name]['body'])}")
    must_have_answered(answers)
