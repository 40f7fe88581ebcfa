"""SSH for pyinfra as the operator's own `ssh` goes: configuration, jump hosts, keys, host keys.

pyinfra 3.10 loses the inner of two jump hosts and takes ``ProxyJump none`` for a host; paramiko
leaves Nagle's algorithm on, which costs about 40 ms of delayed ACK a command.
"""

from __future__ import annotations

import socket
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

from gevent import Greenlet, spawn
from gevent.event import Event
from gevent.lock import RLock
from paramiko import AuthenticationException, SSHClient, Transport
from pyinfra.api.exceptions import ConnectError
from pyinfra.connectors.base import DataMeta
from pyinfra.connectors.ssh import ConnectorData, SSHConnector
from pyinfra.connectors.sshuserclient.client import get_host_keys

from rackwright.errors import HostError
from rackwright.runner.access import secrets
from rackwright.runner.access.jump import JUMP_S, Tunnel, tunnel, turns
from rackwright.runner.access.keys import agents_key, encrypted, opens
from rackwright.runner.access.refusals import why
from rackwright.runner.access.revoked import wary
from rackwright.runner.access.ssh_config import PORT, SshSettings, ssh_settings
from rackwright.runner.bounded import bound

KEEP_ALIVE_S = 15
QUICK_ACK: int | None = getattr(socket, "TCP_QUICKACK", None)
"""Linux has it (tcp(7))."""


class ConnectionData(ConnectorData):
    """Host data that is read here: pyinfra's, and the jump hosts."""

    ssh_proxyjump: str


JUMPS = DataMeta("Jump hosts as `ssh -J` takes them, or `none`")


class Connection(SSHConnector):
    """SSH by OpenSSH's configuration.

    Several may have commands on one host at once (one asks a gateway that another changes), and one
    of them may connect anew: a connection that is let go of goes on until its commands are done.
    """

    data_cls: type[Any] = ConnectionData
    data_meta: dict[str, DataMeta] = {**SSHConnector.data_meta, "ssh_proxyjump": JUMPS}  # noqa: RUF012
    settings: SshSettings
    _tunnel: Tunnel | None = None
    _passphrase: str | None = None
    _config_file = ""
    may_ask: Callable[[], object] = staticmethod(bool)
    """Returns once the operator may be asked for something."""

    def __init__(self, *given: Any, **more: Any) -> None:
        """As pyinfra makes it."""
        super().__init__(*given, **more)
        self._one_connects = RLock()  # another would close what this one opens
        self._commands: Counter[SSHClient] = Counter()
        self._left: dict[SSHClient, Tunnel | None] = {}
        self._begun: Greenlet[..., Exception | None] | None = None

    def begin(self, may_ask: Event) -> Greenlet[..., Exception | None]:
        """Connect in the background, asking nobody until ``may_ask``; ``connect`` waits for it."""
        self.may_ask = may_ask.wait
        self._begun = spawn(self._outcome)
        return self._begun

    def give_up(self) -> None:
        """End what was begun, and hang up."""
        if self._begun is not None:
            self._begun.kill()
            self._begun = None
        self.disconnect()

    def _outcome(self) -> Exception | None:
        try:
            self._connected()
        except Exception as error:  # raised where it is waited for
            return error
        return None

    def connect(self) -> None:
        """Connect, anew after the first time. Raises ConnectError, which says what to do."""
        begun, self._begun = self._begun, None
        if begun is None:
            self._connected()
        elif (error := begun.get()) is not None:
            raise error

    def _connected(self) -> None:
        with self._one_connects:
            self._connect_anew()

    def _connect_anew(self) -> None:
        try:
            self.let_go()
            self.settings = ssh_settings(self.host.name, self.data)
            self._passphrase = self._given_passphrase()
            way = self.settings.jump or self.settings.command
            with turns[way] if way else nullcontext():
                self._reach()
            self._keep_alive()
            if self.client is not None:
                bound(self.client)
        except HostError as error:
            self.let_go()
            raise ConnectError(str(error)) from None

    def _given_passphrase(self) -> str | None:
        given, key = self.data["ssh_key_password"], self.data["ssh_key"]
        if given and key and not opens(key, given):
            raise HostError(f"ssh_key_password does not open {key}")
        return given or None

    def _reach(self) -> None:
        """Connect, with a passphrase that the operator is asked for where no key is accepted."""
        with self._plain_config() as self._config_file:
            try:
                super().connect()
                return
            except ConnectError as error:
                cause = error.__context__ or error
                key = self._wants_passphrase(cause)
                if key is None:
                    told = why(self.host.name, self.settings, cause, str(error), self._tunnel)
                    raise HostError(told) from None
        self._passphrase = secrets.passphrase(key, self.may_ask)
        if not opens(key, self._passphrase):
            raise HostError(f"the passphrase does not open {key}")
        self._reach()

    def _wants_passphrase(self, cause: BaseException) -> str | None:
        if self._passphrase is not None or not isinstance(cause, AuthenticationException):
            return None
        return encrypted(self.settings.identities)

    @contextmanager
    def _plain_config(self) -> Iterator[str]:
        """What ``ssh -G`` found, as a file for pyinfra, which knows a part of ssh_config alone."""
        known = Path(self.settings.known_hosts[0]) if self.settings.known_hosts else None
        if known and not known.exists():
            known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            known.touch(mode=0o600)
        with tempfile.NamedTemporaryFile("w", prefix="rackwright-ssh-") as file:
            file.write(self.settings.text())
            file.flush()
            yield file.name

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        """What one try to connect is given; a new way through jump hosts for each."""
        settings, timeout_s = self.settings, self.state.config.CONNECT_TIMEOUT
        strict = self.data["ssh_strict_host_key_checking"]
        more = self.data["ssh_paramiko_connect_kwargs"] or {}
        kwargs = {
            "hostname": settings.hostname,
            "port": settings.port,
            "username": settings.user,
            "timeout": timeout_s,
            "allow_agent": self.data["ssh_allow_agent"] and settings.agent != "",
            "look_for_keys": False,  # ssh named them with the others
            "key_filename": list(settings.identities),
            "pkey": agents_key(settings.identities, settings.agent),
            "password": _unseen(self.data["ssh_password"]),
            "passphrase": _unseen(self._passphrase),
            "transport_factory": partial(_quick, wary(settings) or Transport),
            "_pyinfra_ssh_forward_agent": self.data["ssh_forward_agent"],
            "_pyinfra_ssh_config_file": self._config_file,
            "_pyinfra_ssh_known_hosts_file": self.data["ssh_known_hosts_file"],
            "_pyinfra_ssh_strict_host_key_checking": "yes" if settings.strict else strict,
            "_pyinfra_ssh_paramiko_connect_kwargs": {key: _unseen(more[key]) for key in more},
        }
        self._close_tunnel()
        self._tunnel = tunnel(settings, timeout_s)
        if self._tunnel:
            self._tunnel.await_host(JUMP_S)
            kwargs["sock"] = self._tunnel.socket
        elif settings.alias:
            at = (settings.hostname, settings.port)
            kwargs["sock"] = socket.create_connection(at, timeout_s)
        if settings.alias:  # paramiko asks known_hosts for the name that it is given
            kwargs |= {"hostname": settings.alias, "port": PORT}
        return {key: value for key, value in kwargs.items() if value is not None}

    def _keep_alive(self) -> None:
        """Have a dead peer noticed."""
        transport = self.client.get_transport() if self.client else None
        if transport is not None:
            transport.set_keepalive(KEEP_ALIVE_S)

    def disconnect(self) -> None:
        """Close the client too, which pyinfra leaves to the garbage collector; end all commands."""
        super().disconnect()
        self.let_go()
        for client in list(self._left):
            self._close(client)

    def let_go(self) -> None:
        """Have the next command connect anew. What runs on this connection is not cut off."""
        if self.client is None:
            self._close_tunnel()
            return
        # pyinfra remembers what it read of known_hosts; what it wrote since counts as well.
        get_host_keys.cache.clear()
        client, self.client = self.client, None
        self._left[client], self._tunnel = self._tunnel, None
        if not self._commands[client]:
            self._close(client)

    def live_transport(self) -> Transport:
        """That of the connection: of a new one where the old one died, or none was."""
        with self._one_connects:
            transport = self.client.get_transport() if self.client else None
            if transport is None or not transport.is_active():
                self.connect()
                transport = self.client.get_transport() if self.client else None
        assert transport is not None
        return transport

    @contextmanager
    def _in_use(self) -> Iterator[SSHClient]:
        """The client for one command, open until that is done; after a failure none uses it."""
        self.live_transport()
        client = self.client
        assert client is not None
        self._commands[client] += 1
        try:
            yield client
        except OSError:  # includes TimeoutError
            if client is self.client:
                self.let_go()
            raise
        finally:
            self._commands[client] -= 1
            if not self._commands[client]:
                del self._commands[client]
                self._close(client)

    def _close(self, client: SSHClient) -> None:
        """Nothing, where it was not let go of."""
        if client not in self._left:
            return
        tunnel = self._left.pop(client)
        client.close()
        if tunnel is not None:
            tunnel.close()

    def _close_tunnel(self) -> None:
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None


class _Unseen(str):
    """A password: pyinfra writes all that it connects with into its debug log."""

    def __repr__(self) -> str:
        """Without it."""
        return "'...'"


class _Prompt:
    """A socket on which neither end waits before it says something small.

    Ours by TCP_NODELAY. sshd waits with what is small until the last was acknowledged (Nagle) where
    no terminal is asked for, and Linux acknowledges after 40 ms: at once here, which it has to be
    told after each time. To be let in and to begin the first command took 80 ms longer.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Of a connection that is made."""
        self._socket = sock
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, size: int) -> bytes:
        """What has come, acknowledged."""
        data = self._socket.recv(size)
        if QUICK_ACK is not None:
            with suppress(OSError):  # the other end has gone: the next call says so
                self._socket.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._socket, name)


def _quick(make: Callable[..., Transport], sock: Any, **options: Any) -> Transport:
    """A connection on which nothing waits; one through jump hosts is their program's."""
    if isinstance(sock, socket.socket) and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock = _Prompt(sock)
    return make(sock, **options)


def _unseen(value: Any) -> Any:
    return _Unseen(value) if isinstance(value, str) else value
