"""`rackwright topo`: what `nvidia-smi topo -m` printed, read and compared with what is declared."""

from __future__ import annotations

import sys
from typing import Any

import click

from rackwright.catalog import GpuType
from rackwright.errors import InputError, RefusedError, nearest
from rackwright.exits import tell
from rackwright.inventory.entry import topo_text
from rackwright.spec import ServerSpec


@click.command(short_help="Read what `nvidia-smi topo -m` printed")
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
    declared, types = _declared(inventory, server)
    said, agrees = topo_text(_read(text), gpu, declared, types)
    tell(said)
    if not agrees:
        sys.exit(2)


def _read(text: Any) -> str:
    try:
        return str(text.read())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{text.name} is no text: {error}") from None


def _declared(
    path: str | None, name: str | None
) -> tuple[ServerSpec | None, dict[str, GpuType] | None]:
    """A server as its inventory declares it, and the types there; None where none is named."""
    if path is None or name is None:
        if path or name:
            raise RefusedError("--inventory and --server go together")
        return None, None
    from rackwright.runner.fleet import fleet_of  # pyinfra, for those who compare only
    from rackwright.runner.inventory import load_inventory

    spec = fleet_of(load_inventory(path)).spec
    if name not in spec.servers:
        raise RefusedError(f"--server {name!r} {nearest(name, spec.servers)}")
    return spec.servers[name], spec.gpu_types
