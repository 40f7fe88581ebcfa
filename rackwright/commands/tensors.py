"""`rackwright tensors`: the headers of a model's files, read and kept for the planner.

A plan never asks a network: it reads what the key ``tensors`` of a model names, which this writes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from rackwright import catalog
from rackwright.errors import Fault, HostError, InputError, RefusedError, SpecError, nearest
from rackwright.exits import tell
from rackwright.inventory.weight_sources import WeightSource, weight_sources
from rackwright.models.tensors.files import read_headers
from rackwright.models.tensors.headers import Headers
from rackwright.models.tensors.hub import hub_headers
from rackwright.report.tensors import Read, tensors_document, tensors_text
from rackwright.schema import files


@click.command(short_help="Read the headers of weights, for the planner")
@click.argument("model", required=False)
@click.option(
    "--inventory",
    type=click.Path(exists=True, dir_okay=False),
    help="Read what its services serve: of the hub, or on their servers over SSH.",
)
@click.option("--revision", default="main", help="Of a repository; a commit is read once.")
@click.option("--save", type=click.Path(path_type=Path), help="Write them to this file.")
@click.option("--json", "as_json", is_flag=True, help="Print what was read as JSON.")
def tensors(
    model: str | None, inventory: str | None, revision: str, save: Path | None, as_json: bool
) -> None:
    """Read names, shapes and dtypes of a model's tensors, without its weights.

    MODEL is a directory, a repository, or a name of the catalog; with --inventory one of its
    models, all that its services serve if left out. What an inventory names as `tensors` of a
    model is written, else nothing without --save. Exits with 69 where a server gave no answer.
    """
    if model is None and inventory is None:
        raise RefusedError("name a MODEL, or an --inventory")
    if save:
        files.must_be_writable(save)
    wrong: list[str] = []
    if inventory is None:
        assert model is not None
        found = [_named(model, revision)]
    else:
        found = list(_of_inventory(inventory, model, wrong))
    if save and len(found) > 1:
        raise RefusedError(f"--save takes one model, these are {len(found)}: name one")
    if save and found:
        files.write(save, found[0].headers.text())
    tell(json.dumps(tensors_document(found), indent=1) if as_json else tensors_text(found))
    if wrong:
        raise HostError("\n  ".join(["not all headers could be read", *wrong]))


def _named(name: str, revision: str) -> Read:
    entry = catalog.model_entries().get(name.lower())
    path = Path(name)
    if entry is None and path.exists():
        try:
            return Read(path.resolve().name, name, read_headers(path))
        except ValueError as error:
            raise InputError(f"{name} {error}") from None
    repo = entry["repo"] if entry else name
    if repo.count("/") != 1 or not all(repo.split("/")) or repo.startswith((".", "~")):
        rule = nearest(name, catalog.model_entries(), "model")
        rule = f"{rule} (nor is it a directory or a repository, owner/name)"
        raise SpecError([Fault("model", rule, name)], heading="in what was asked")
    headers = hub_headers(repo, revision)
    return Read(name, _commit(headers), headers)


def _of_inventory(path: str, name: str | None, wrong: list[str]) -> Iterator[Read]:
    sources = weight_sources(_host_data(path))
    if name is not None and name not in {one.model for one in sources}:
        known = {one.model for one in sources}
        raise RefusedError(f"{name!r} {nearest(name, known, 'model that a service serves')}")
    wanted = [one for one in sources if name in (None, one.model)]
    for one in wanted:
        if one.source.repo and one.source.revision:
            headers = hub_headers(one.source.repo, one.source.revision, one.hub)
            yield _kept(one, _commit(headers), headers)
    if any(one.source.path for one in wanted):
        from rackwright.runner.inventory import load_inventory  # pyinfra: see _host_data
        from rackwright.runner.tensors import headers_on_servers

        for one, seen in headers_on_servers(load_inventory(path), wanted).items():
            yield from _on_servers(one, seen, wrong)


def _host_data(path: str) -> dict[str, dict[str, Any]]:
    """Read by another process: pyinfra changes sockets and threads, and a hub needs both."""
    argv = [sys.executable, "-m", "rackwright.runner.inventory", path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().removeprefix("Error: ") or f"{path} cannot be read"
        raise InputError(words)
    data: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return data


def _on_servers(
    one: WeightSource, seen: dict[str, Headers | str], wrong: list[str]
) -> Iterator[Read]:
    """What the first server has; others that have something else are named."""
    read = {server: answer for server, answer in seen.items() if isinstance(answer, Headers)}
    wrong += [f"{server}: {why}" for server, why in seen.items() if isinstance(why, str)]
    if not read:
        return
    first = next(iter(read))
    wrong += [
        f"{server}: {one.source.path} holds other tensors than on {first}"
        for server, headers in read.items()
        if headers.tensors != read[first].tensors
    ]
    yield _kept(one, f"{first}:{one.source.path}", read[first])


def _kept(one: WeightSource, place: str, headers: Headers) -> Read:
    if one.saved:
        files.write(Path(one.saved), headers.text())
    return Read(one.model, place, headers)


def _commit(headers: Headers) -> str:
    return f"{headers.repo}@{headers.revision[:12]}"
