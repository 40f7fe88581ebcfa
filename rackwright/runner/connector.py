"""An SSH connector for pyinfra that does not wait on Nagle and survives a dead transport.

Used by naming hosts ``@rackwright/NAME`` in an inventory; the host is then called NAME.
Why: paramiko leaves Nagle's algorithm on, which costs about 40 ms of delayed ACK a command, and
pyinfra never reconnects.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from typing import Any

from pyinfra.api.command import StringCommand
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.connectors.util import CommandOutput

from rackwright.errors import RackwrightError
from rackwright.exits import say
from rackwright.runner.bounded import bound
from rackwright.runner.fleet import fleet_of

KEEP_ALIVE_S = 15


class RackwrightConnector(SSHConnector):
    """SSH with TCP_NODELAY, keep-alive and reconnection; counts the commands it sends."""

    commands_sent = 0

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

    def connect(self) -> None:
        """Connect, then set what makes many small commands fast and dead peers noticed."""
        super().connect()
        if self.client is not None:
            bound(self.client)
        transport = self.client.get_transport() if self.client else None
        if transport is not None:
            transport.set_keepalive(KEEP_ALIVE_S)
            if isinstance(transport.sock, socket.socket):
                transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def disconnect(self) -> None:
        """Close the client too, which pyinfra leaves to the garbage collector."""
        super().disconnect()
        if self.client is not None:
            self.client.close()

    def run_shell_command(
        self, command: StringCommand, *args: Any, **kwargs: Any
    ) -> tuple[bool, CommandOutput]:
        """Run a command, on a new connection when the old one died since the last command."""
        transport = self.client.get_transport() if self.client else None
        if transport is None or not transport.is_active():
            self.connect()
        self.commands_sent += 1
        return super().run_shell_command(command, *args, **kwargs)
