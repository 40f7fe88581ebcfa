"""The connector of an inventory's hosts: ``@rackwright/NAME``; the host is then called NAME.

Why not pyinfra's: paramiko leaves Nagle's algorithm on, which costs about 40 ms of delayed ACK a
command, pyinfra never reconnects, and see ``access/``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rackwright.installed import loading

with loading():
    from pyinfra.api.exceptions import InventoryError

    from rackwright.runner.access.connector import SshAccess
    from rackwright.runner.before_connecting import judge_inventories_first


class RackwrightConnector(SshAccess):
    """SSH to a host of a fleet that was judged first."""

    @staticmethod
    def make_names_data(name: str | None) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield the plain host name, so that ``--limit gpu1`` and reports need no prefix.

        Raises pyinfra's InventoryError where there is none.
        """
        if not name:
            raise InventoryError("@rackwright must be followed by a host: @rackwright/NAME")
        yield name, {}, []


judge_inventories_first(RackwrightConnector)
