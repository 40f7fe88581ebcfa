"""`rackwright discover`: hosts that no inventory names yet, probed over SSH."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import click
from pyinfra.api.inventory import Inventory

from rackwright.catalog import GpuType
from rackwright.errors import RefusedError
from rackwright.exits import tell
from rackwright.inventory.entry import discovered
from rackwright.runner.asking import Answer, ask_all
from rackwright.runner.probing import probe


def look_at(hosts: Sequence[str], **ssh: Any) -> dict[str, Answer]:
    """What the probe sees on each host; ``{"error": why}`` of one that gave no answer.

    ``hosts`` are names as ``ssh`` takes them, from its own configuration too, or ``@local``.
    ``ssh`` are pyinfra's connector data (``ssh_user``, ``ssh_port``, ``ssh_key``) and ``_sudo``.
    """
    inventory = Inventory(([_reached(name) for name in dict.fromkeys(hosts)], ssh))
    return ask_all(inventory, probe)


def _reached(name: str) -> str:
    return name if name.startswith("@") else f"@rackwright-discover/{name}"


def _known(inventory: str | None) -> dict[str, GpuType] | None:
    """The GPU types of an inventory and the catalog's; None where no inventory is named."""
    if inventory is None:
        return None
    from rackwright.runner.gpu_types import gpu_types_of  # pyinfra's command line, for its file

    return gpu_types_of(inventory)


@click.command(short_help="Print servers' inventory entries")
@click.argument("hosts", nargs=-1, required=True)
@click.option("--user", "ssh_user", help="SSH user; else as ssh itself would choose.")
@click.option("--port", "ssh_port", type=click.IntRange(1, 65535))
@click.option("--key", "ssh_key", type=click.Path(exists=True, dir_okay=False))
@click.option("--jump", "ssh_proxyjump", help="Jump hosts as `ssh -J` takes them.")
@click.option("--sudo", "_sudo", is_flag=True, default=None, help="Look as root, by sudo.")
@click.option("--ssh-config", "ssh_config_file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--inventory",
    type=click.Path(exists=True, dir_okay=False),
    help="Whose gpu_types are known beside the catalog's.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what the probe saw, as JSON.")
def discover(hosts: tuple[str, ...], inventory: str | None, as_json: bool, **ssh: Any) -> None:
    """Look at servers over SSH and print the inventory entries that declare them. Only reads.

    HOST is a name as ssh takes it, or @local. Exits with 67 where one cannot be declared.
    """
    types = _known(inventory)
    access = {key: value for key, value in sorted(ssh.items()) if value is not None}
    answers = look_at(hosts, **access)
    found = [
        replace(discovered(host, answer, types), access=access) for host, answer in answers.items()
    ]
    tell(json.dumps(answers, indent=1) if as_json else "\n".join(o.text() for o in found))
    if any(one.server is None for one in found):
        sys.exit(RefusedError.exit_code)
