"""The way from a host to a bundle on this machine: a port of the host's own loopback.

It leads back over the SSH connection that is there already, so a host needs no other way out. What
answers at its end is this process.
"""

from __future__ import annotations

import threading
from functools import partial
from http.server import ThreadingHTTPServer
from typing import Any
from weakref import WeakKeyDictionary

from paramiko import Channel, SSHException, Transport
from pyinfra.api.host import Host
from pyinfra.connectors.local import LocalConnector

from rackwright.bundling.serving import Answer, Shelf
from rackwright.errors import HostError
from rackwright.runner.access.connector import SshAccess

LOOPBACK = "127.0.0.1"
_ports: WeakKeyDictionary[Transport, int] = WeakKeyDictionary()
_servers: dict[str, ThreadingHTTPServer] = {}


def way_to(shelf: Shelf, host: Host) -> str:
    """The URL by which a host reaches a bundle, without a slash at its end.

    Raises HostError where the host's sshd opens no such way.
    """
    if isinstance(host.connector, LocalConnector):
        return f"http://{LOOPBACK}:{_here(shelf)}/{shelf.word}"
    transport = _transport(host)
    if transport not in _ports:
        _ports[transport] = _forwarded(transport, shelf, host)
    return f"http://{LOOPBACK}:{_ports[transport]}/{shelf.word}"


def _transport(host: Host) -> Transport:
    connector = host.connector
    if isinstance(connector, SshAccess):
        return connector.live_transport()
    client = getattr(connector, "client", None)
    transport = client.get_transport() if client else None
    if transport is None:
        raise HostError(f"{host.name}: a bundle is served over SSH, or to this machine itself")
    found: Transport = transport
    return found


def _forwarded(transport: Transport, shelf: Shelf, host: Host) -> int:
    def opened(channel: Channel, origin: tuple[str, int], at: tuple[str, int]) -> None:
        threading.Thread(target=_answer, args=(shelf, channel, origin), daemon=True).start()

    try:
        return int(transport.request_port_forward(LOOPBACK, 0, opened))
    except SSHException as error:
        raise HostError(
            f"{host.name}: its sshd opens no way to the bundle ({error}): it has to allow "
            "`AllowTcpForwarding remote` (or yes) to the user that deploys"
        ) from None


def _answer(shelf: Shelf, channel: Channel, origin: tuple[str, int]) -> None:
    """All requests of one connection; one that breaks ends nothing else."""
    try:
        Answer(shelf, channel, origin, None)
    except (OSError, EOFError, SSHException):
        pass  # the host hung up: it asks again, or has what it wants
    finally:
        channel.close()


def _here(shelf: Shelf) -> int:
    """The port of this machine at which a bundle is served, until the program ends."""
    if shelf.word not in _servers:
        server = ThreadingHTTPServer((LOOPBACK, 0), partial(Answer, shelf))
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        _servers[shelf.word] = server
    address: Any = _servers[shelf.word].server_address
    return int(address[1])
