"""What a command becomes on its way to a host; real hosts: tests/lab."""

from __future__ import annotations

import base64
import io
import logging
import re
import socket
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, call

import gevent
import pytest
from gevent.event import Event
from pyinfra.api.command import StringCommand
from pyinfra.api.config import Config
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.connectors.sshuserclient import SSHClient

from rackwright.runner.access.connection import QUICK_ACK, _quick
from rackwright.runner.access.connector import SshAccess
from rackwright.runner.access.login_shell import BEGINS
from rackwright.runner.access.sudo import Way


class Client:
    """A connection that keeps what is sent, and whose shell has a banner."""

    def __init__(self, status: int = 0) -> None:
        self.sent, self.terminal, self.given = "", False, io.BytesIO()
        self.is_open = True
        self._channel = SimpleNamespace(recv_exit_status=lambda: status, close=lambda: None)

    def get_transport(self) -> SimpleNamespace:
        return SimpleNamespace(is_active=lambda: self.is_open)

    def close(self) -> None:
        self.is_open = False

    def exec_command(self, sent: str, get_pty: bool) -> tuple[Any, Any, Any]:
        packed = re.findall(r"echo (\S+) \| base64 -d", sent)[0]
        self.sent, self.terminal = base64.b64decode(packed).decode(), get_pty
        stdin = SimpleNamespace(write=self.given.write, close=lambda: None)
        return stdin, _Lines(["Hi\n", f"{BEGINS}\n", "told\n"], self._channel), _Lines([], None)


class _Lines:
    def __init__(self, lines: Iterable[str], channel: Any) -> None:
        self.lines, self.channel = lines, channel

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)


@pytest.fixture
def connector() -> SshAccess:
    data = {"ssh_config_file": "/dev/null"}
    inventory = Inventory(([("@rackwright-discover/gpu1", data)], {}))
    State(inventory, Config())
    found = inventory.get_host("gpu1").connector
    assert isinstance(found, SshAccess)
    return found


def sent(connector: SshAccess, way: Way | None = None, **arguments: Any) -> Client:
    client = Client()
    connector.client, connector._way = client, way  # type: ignore[assignment]
    done, output = connector.run_shell_command(StringCommand("make", "it"), **arguments)
    assert (done, output.stdout) == (True, "told")
    return client


def test_a_command_runs_in_sh_with_a_umask_that_others_can_read_by(connector: SshAccess) -> None:
    assert sent(connector).sent == "sh -c 'umask 022; make it'"
    assert sent(connector, _shell_executable=None).sent == "make it"


def test_sudos_password_comes_first_on_standard_input_and_nowhere_else(
    connector: SshAccess,
) -> None:
    client = sent(connector, Way("s3cret"), _sudo=True, _sudo_password="s3cret", _stdin="given")
    assert client.sent == "sudo -H -k -S -p '' sh -c 'umask 022; make it'"
    assert client.given.getvalue() == b"s3cret\ngiven\n"


def test_a_terminal_that_would_show_the_password_is_not_asked_for(connector: SshAccess) -> None:
    assert sent(connector, _get_pty=True).terminal
    assert sent(connector, Way(), _sudo=True, _get_pty=True).terminal
    assert not sent(connector, Way("s3cret"), _sudo=True, _get_pty=True).terminal


def test_exit_codes_are_what_the_operation_takes(connector: SshAccess) -> None:
    connector.client = Client(status=3)  # type: ignore[assignment]
    assert not connector.run_shell_command(StringCommand("x"))[0]
    assert connector.run_shell_command(StringCommand("x"), _success_exit_codes=[0, 3])[0]


def test_no_password_is_in_a_debug_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """pyinfra --debug says what it connects with."""
    data: dict[str, Any] = {"ssh_config_file": "/dev/null", "ssh_password": "s3cret"}
    data["ssh_key_password"] = "s3cret"
    data |= {"ssh_paramiko_connect_kwargs": {"auth_timeout": 9, "passphrase": "s3cret"}}
    inventory = Inventory(([("@rackwright-discover/192.0.2.9", data)], {}))
    State(inventory, Config())
    connector = inventory.get_host("192.0.2.9").connector
    assert isinstance(connector, SshAccess)
    given: dict[str, Any] = {}
    monkeypatch.setattr(SSHClient, "connect", lambda _, hostname, **kwargs: given.update(kwargs))
    with caplog.at_level(logging.DEBUG):
        connector.connect()
    assert (given["password"], given["passphrase"]) == ("s3cret", "s3cret")
    more = {"auth_timeout": 9, "passphrase": "s3cret"}
    assert given["_pyinfra_ssh_paramiko_connect_kwargs"] == more
    assert "Connecting to: " in caplog.text
    assert "s3cret" not in caplog.text


def test_of_two_that_find_the_connection_dead_one_connects(
    connector: SshAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Client] = []

    def connect() -> None:
        made.append(Client())
        gevent.sleep(0)
        connector.client = made[-1]  # type: ignore[assignment]

    connector.client = None
    monkeypatch.setattr(connector, "connect", connect)
    both = [gevent.spawn(connector.run_shell_command, StringCommand("true")) for _ in range(2)]
    gevent.joinall(both, raise_error=True)
    assert len(made) == 1


class Slow(Client):
    """Its commands say their first word at once, and the rest when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.goes_on = Event(), Event()

    def exec_command(self, sent: str, get_pty: bool) -> tuple[Any, Any, Any]:
        def lines() -> Iterator[str]:
            yield f"{BEGINS}\n"
            self.begun.set()
            self.goes_on.wait()
            yield "told\n" if self.is_open else "cut off\n"

        stdin, stdout, stderr = super().exec_command(sent, get_pty)
        return stdin, _Lines(lines(), stdout.channel), stderr


@pytest.fixture
def slow(connector: SshAccess) -> tuple[Slow, gevent.Greenlet[..., Any]]:
    """A connection, and a command that runs on it."""
    client = Slow()
    connector.client = client  # type: ignore[assignment]
    running = gevent.spawn(connector.run_shell_command, StringCommand("long"))
    client.begun.wait()
    return client, running


def test_who_connects_anew_cuts_off_nobody_s_command(
    connector: SshAccess, slow: tuple[Slow, gevent.Greenlet[..., Any]]
) -> None:
    """As a firewall does on a gateway, which servers ask at the same time."""
    client, running = slow
    connector.let_go()
    assert client.is_open and connector.client is None
    client.goes_on.set()
    assert running.get()[1].stdout == "told"
    assert not client.is_open


def test_a_command_that_takes_too_long_ends_alone_and_the_next_has_another_connection(
    connector: SshAccess, slow: tuple[Slow, gevent.Greenlet[..., Any]]
) -> None:
    client, running = slow
    with pytest.raises(TimeoutError):
        connector.run_shell_command(StringCommand("longer"), _timeout=0.01)
    assert client.is_open and connector.client is None
    client.goes_on.set()
    assert running.get()[1].stdout == "told"
    assert not client.is_open


def test_who_hangs_up_ends_what_was_let_go_of_too(
    connector: SshAccess, slow: tuple[Slow, gevent.Greenlet[..., Any]]
) -> None:
    client, running = slow
    connector.let_go()
    connector.disconnect()
    assert not client.is_open
    client.goes_on.set()
    assert running.get()[1].stdout == "cut off"


def test_a_host_that_begins_no_command_is_given_up(
    connector: SshAccess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rackwright.runner.access.connector.BEGIN_S", 0.01)
    client = Client()
    monkeypatch.setattr(client, "exec_command", lambda *_, **__: Event().wait())
    connector.client = client  # type: ignore[assignment]
    with pytest.raises(TimeoutError, match="no command begins within"):
        connector.run_shell_command(StringCommand("true"))
    assert not client.is_open


def test_a_command_that_waits_for_more_is_given_it(connector: SshAccess) -> None:
    client = Client()
    connector.client = client  # type: ignore[assignment]
    running = connector.begin_command(StringCommand("cat"), "first")
    assert client.given.getvalue() == b"first\n"
    assert running.answer(b"second\n", None).output.stdout == "told"
    assert client.given.getvalue() == b"first\nsecond\n"
    assert client.is_open


def test_who_hangs_up_lets_go_of_what_waits(connector: SshAccess) -> None:
    """Its standard input too: paramiko would close it when gevent is gone already."""
    client = Client()
    connector.client = client  # type: ignore[assignment]
    running = connector.begin_command(StringCommand("cat"), "first")
    connector.disconnect()
    assert running._stdin is None and not client.is_open
    assert not connector._commands and not connector._left
    connector.disconnect()


def test_neither_end_of_a_connection_waits_with_what_is_small() -> None:
    """A server that answers in small parts says each once the last was acknowledged (Nagle)."""
    ours = Mock(spec=socket.socket, family=socket.AF_INET)
    ours.recv.side_effect = [b"said", b"more", b""]
    quick = _quick(lambda sock: sock, ours)
    acknowledged = call(socket.IPPROTO_TCP, QUICK_ACK, 1)
    told = [call(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    for words in (b"said", b"more", b""):
        assert ours.setsockopt.mock_calls == told
        assert quick.recv(100) == words
        told.append(acknowledged)
    ours.recv.side_effect = [b"last"]
    ours.setsockopt.side_effect = OSError("the other end has gone")
    assert quick.recv(100) == b"last"
    quick.settimeout(1)
    assert ours.settimeout.mock_calls == [call(1)], "all else is the socket's"
    channel = object()
    assert _quick(lambda sock: sock, channel) is channel, "of a jump host"  # type: ignore[arg-type]
