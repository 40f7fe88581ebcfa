"""`rackwright plan | size | preflight | verify | why | watch | ...`: what pyinfra does not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from rackwright.architectures import NAMED as QUANTIZATIONS
from rackwright.checks.results import CheckResult, Status, worst, worst_of
from rackwright.discovering import discovered, topo_text
from rackwright.errors import RackwrightError, nearest
from rackwright.report import junit_text, page, plan_text, results_text
from rackwright.spec import ServerSpec


@click.group()
@click.version_option(package_name="rackwright")
def main() -> None:
    """Bare multi-GPU servers into a verified LLM inference fleet.

    Deploy with: pyinfra INVENTORY deploy.py
    """


def _table(results: list[CheckResult]) -> str:
    """Results as a table, in colour where a person reads it and has not asked for none."""
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return results_text(results, colour=colour)


@main.command()
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
def plan(inventory: str, as_json: bool) -> None:
    """Validate an inventory and print its plan. Connects to no host."""
    from rackwright.runner.fleet import fleet_of
    from rackwright.runner.inventory import load_inventory

    try:
        fleet = fleet_of(load_inventory(inventory))
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    click.echo(fleet.plan.model_dump_json(indent=1) if as_json else plan_text(fleet.plan))


@main.command()
@click.argument("model")
@click.option("--gpu", help="One GPU type of the catalog; all of them if left out.")
@click.option("--gpus", type=click.IntRange(1, 128), help="How many GPUs; else the fewest.")
@click.option("--interconnect", type=click.Choice(["pcie", "nvlink", "nvswitch"]))
@click.option("--max-model-len", type=click.IntRange(1), help="Longest request, in tokens.")
@click.option("--concurrency", type=click.IntRange(1), help="Requests at once; see below.")
@click.option("--objective", type=click.Choice(["latency", "throughput"]))
@click.option("--quantization", type=click.Choice(sorted(QUANTIZATIONS)))
@click.option("--kv-cache-dtype", type=click.Choice(["auto", "fp8"]), default="auto")
@click.option("--gpu-memory-utilization", type=float, default=0.90, show_default=True)
@click.option("--max-num-seqs", type=click.IntRange(1), help="Most requests in a step.")
@click.option("--max-num-batched-tokens", type=click.IntRange(1), help="Most tokens in a step.")
@click.option("--enforce-eager", is_flag=True, help="Without CUDA graphs.")
@click.option("--json", "as_json", is_flag=True, help="Print every layout as JSON.")
def size(model: str, as_json: bool, **asked: Any) -> None:
    """What MODEL needs: for each GPU type the fewest GPUs, and the smallest cluster, to serve it.

    MODEL is a name of the catalog, a directory with a config.json, or a Hugging Face repository.
    Without --concurrency latency is that of one request, and throughput that of GPUs which are
    full. Exits with 1 where nothing that was asked about can serve it.
    """
    from rackwright.answering import size_up

    try:
        answer = size_up(model, **asked)
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    document = answer.document()
    click.echo(json.dumps(document, indent=1) if as_json else answer.text())
    if document["chosen"] is None:
        sys.exit(1)


@main.command()
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print results and observations as JSON.")
@click.option("--junit", type=click.Path(dir_okay=False, path_type=Path), help="Write JUnit XML.")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page.")
@click.option("--no-load", is_flag=True, help="Without the burst of requests that loads the GPUs.")
def verify(
    inventory: str, as_json: bool, junit: Path | None, html: Path | None, no_load: bool
) -> None:
    """Ask every host of INVENTORY what runs there, and compare it with the plan. Only reads.

    Each replica on GPUs gets at most 8 requests at once for 3 seconds, less those it has anyway.

    Exits as a Nagios plugin does: 0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN, by the worst check.
    """
    from rackwright.runner.verifying import verified

    try:
        found = verified(inventory, lambda line: click.echo(line, err=True), not no_load)
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    if junit:
        junit.write_text(junit_text(found.results), encoding="utf-8")
    if html:
        html.write_text(page(found.plan, found.results, found.observations), encoding="utf-8")
    click.echo(found.json() if as_json else _table(found.results))
    sys.exit(worst(found.results))


@main.command()
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
def preflight(inventory: str) -> None:
    """What would go wrong with the driver of each server of INVENTORY. Only reads.

    Exits as a Nagios plugin does: 0 OK, 1 WARN, 2 CRITICAL, 3 UNKNOWN, by the worst row.
    """
    from rackwright.runner.preflighting import preflight as predicted

    try:
        results = predicted(inventory, lambda line: click.echo(line, err=True))
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    click.echo(_table(results))
    sys.exit(worst(results) if results else 0)


@main.command()
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
@click.argument("replica")
def why(inventory: str, replica: str) -> None:
    """Why REPLICA (chat-gpu1-0) fails or was restarted: first error, cause, remedy. Only reads.

    Exits as verify does: 0 it runs, 1 it starts, or runs after failures, 2 it does not run, 3 its
    host does not say.
    """
    from rackwright.runner.why import why as told

    try:
        found = told(inventory, replica)
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    click.echo("\n".join(one.text() for one in found))
    sys.exit(worst_of(one.status for one in found))


@main.command()
@click.argument("inventory", type=click.Path(exists=True, dir_okay=False))
def bandwidth(inventory: str) -> None:
    """Measure the links between the GPUs of every replica, and compare with the catalog's figures.

    Copies between neighbours and all-reduces, by the engine release's own torch: seconds of full
    load on the links. Refused where the GPUs have no memory left for it. Exits as verify does.
    """
    from rackwright.runner.measuring import measured

    try:
        results = measured(inventory, lambda line: click.echo(line, err=True))
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    click.echo(_table(results))
    sys.exit(worst(results) if results else 0)


@main.command()
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
    from rackwright.runner.watching import show, watching

    try:
        with watching(inventory) as fleet:
            show(fleet, interval, count)
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None


@main.command()
@click.argument("hosts", nargs=-1, required=True)
@click.option("--user", "ssh_user", help="SSH user; else as ssh itself would choose.")
@click.option("--port", "ssh_port", type=click.IntRange(1, 65535))
@click.option("--key", "ssh_key", type=click.Path(exists=True, dir_okay=False))
@click.option("--ssh-config", "ssh_config_file", type=click.Path(exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print what the probe saw, as JSON.")
def discover(hosts: tuple[str, ...], as_json: bool, **ssh: Any) -> None:
    """Look at servers over SSH and print the inventory entries that declare them. Only reads.

    HOST is a name as ssh takes it, or @local. Exits with 1 where one cannot be declared.
    """
    from rackwright.runner.discovery import look_at  # first: pyinfra's network code goes with it

    answers = look_at(hosts, **{key: value for key, value in ssh.items() if value is not None})
    found = [discovered(host, answer) for host, answer in answers.items()]
    click.echo(json.dumps(answers, indent=1) if as_json else "\n".join(o.text() for o in found))
    if any(one.server is None for one in found):
        sys.exit(1)


@main.command()
@click.argument("text", type=click.File("r"))
@click.option("--gpu", help="A GPU type of the catalog: print the inventory's keys for it.")
@click.option("--inventory", type=click.Path(exists=True, dir_okay=False))
@click.option("--server", help="The server of INVENTORY whose declaration is compared.")
def topo(text: Any, gpu: str | None, inventory: str | None, server: str | None) -> None:
    """Read what `nvidia-smi topo -m` printed: TEXT is a file, or - for standard input.

    For servers that are not reached over SSH. Says which GPUs NVLink joins and which share a NUMA
    node; with --inventory and --server compares that with what is declared, and exits with 2 where
    they differ.
    """
    try:
        said, agrees = topo_text(text.read(), gpu, _declared(inventory, server))
    except RackwrightError as error:
        raise SystemExit(f"Error: {error}") from None
    click.echo(said)
    if not agrees:
        sys.exit(2)


def _declared(path: str | None, name: str | None) -> ServerSpec | None:
    """A server as its inventory declares it; None where neither is named."""
    if path is None or name is None:
        if path or name:
            raise RackwrightError("--inventory and --server go together")
        return None
    from rackwright.runner.fleet import fleet_of
    from rackwright.runner.inventory import load_inventory

    servers = fleet_of(load_inventory(path)).spec.servers
    if name not in servers:
        raise RackwrightError(f"--server {name!r} {nearest(name, servers)}")
    return servers[name]


@main.command()
@click.argument("path", default="reports/latest.json", type=click.Path(path_type=Path))
def report(path: Path) -> None:
    """Print the checks of a deploy again. Exits with 2 when one is CRITICAL or UNKNOWN."""
    try:
        rows = json.loads(path.read_text())["results"]
        results = [CheckResult(**{**row, "status": Status(row["status"])}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SystemExit(f"Error: {path} is not a report: {error}") from None
    click.echo(_table(results))
    if any(result.status in (Status.CRITICAL, Status.UNKNOWN) for result in results):
        sys.exit(2)
