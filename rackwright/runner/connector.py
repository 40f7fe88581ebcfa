"""The connector of an inventory's hosts: ``@rackwright/NAME``; the host is then called NAME.

Why not pyinfra's: paramiko leaves Nagle's algorithm on, which costs about 40 ms of delayed ACK a
command, pyinfra never reconnects, and see ``access/``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from rackwright.errors import RackwrightError
from rackwright.exits import say
from rackwright.runner.access.connector import SshAccess
from rackwright.runner.fleet import fleet_of


class RackwrightConnector(SshAccess):
    """SSH to a host of a fleet that was judged first."""

    def __init__(self, state: Any, host: Any) -> None:
        """Refuse a faulty inventory here: the last moment before the first connection."""
        super().__init__(state, host)
        try:
            fleet_of(host.inventory)
        except RackwrightError as error:
            say(str(error), error.exit_code)
            sys.exit(1)  # as pyinfra ends whatever it refuses

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield the plain host name, so that ``--limit gpu1`` and reports need no prefix."""
        yield name, {}, []
