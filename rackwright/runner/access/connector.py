"""SSH for pyinfra as the operator's own `ssh` goes, and commands as root by sudo's own rules.

pyinfra 3.10 loses the inner of two jump hosts, takes ``ProxyJump none`` for a host, puts sudo's
password on the host's command line, and reads a login shell's banner as the answer.
"""

from __future__ import annotations

import base64
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from paramiko import AuthenticationException
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.output import echo
from pyinfra.api.util import get_file_io
from pyinfra.connectors.base import DataMeta
from pyinfra.connectors.ssh import ConnectorData, SSHConnector
from pyinfra.connectors.sshuserclient.client import get_host_keys
from pyinfra.connectors.util import (
    CommandOutput,
    extract_control_arguments,
    make_unix_command,
    read_output_buffers,
)

from rackwright.errors import HostError
from rackwright.runner.access import login_shell, secrets, sudo
from rackwright.runner.access.jump import Tunnel, tunnel, turns
from rackwright.runner.access.keys import agents_key, encrypted
from rackwright.runner.access.refusals import why
from rackwright.runner.access.ssh_config import SshSettings, ssh_settings
from rackwright.runner.access.standard_input import as_bytes
from rackwright.runner.host_data import command_arguments

KEEP_ALIVE_S = 15
JUMP_S = 120
"""For a host's first words over a way that may have to ask the operator something."""
SUDO_S = 60
UMASK = "umask 022;"
"""What is made has its mode said or is to be read by all; a login's umask may be another."""
_FOR_SUDO = (
    "_sudo",
    "_sudo_user",
    "_sudo_password",
    "_use_sudo_login",
    "_preserve_sudo_env",
    "_sudo_askpass_path",
)


class AccessData(ConnectorData):
    """Host data that the connector reads: pyinfra's, and the jump hosts."""

    ssh_proxyjump: str


JUMPS = DataMeta("Jump hosts as `ssh -J` takes them, or `none`")


class Answer(NamedTuple):
    """What a command ended with."""

    status: int
    output: CommandOutput


class SshAccess(SSHConnector):
    """SSH by OpenSSH's configuration, with sudo; counts the commands it sends."""

    data_cls: type[Any] = AccessData
    data_meta: dict[str, DataMeta] = {**SSHConnector.data_meta, "ssh_proxyjump": JUMPS}  # noqa: RUF012
    commands_sent = 0
    _settings: SshSettings
    _tunnel: Tunnel | None = None
    _passphrase: str | None = None
    _way: sudo.Way | None = None
    _config_file = ""

    def connect(self) -> None:
        """Connect, and find out how sudo is called where host data says ``_sudo``.

        Raises ConnectError, which says what to do.
        """
        try:
            self._close()
            self._settings = ssh_settings(self.host.name, self.data)
            way = self._settings.jump or self._settings.command
            with turns[way] if way else nullcontext():
                self._reach()
            self._make_quick()
            arguments = command_arguments(self.host)
            if arguments.get("_sudo"):
                self._sudo_way(arguments)
        except HostError as error:
            self._close()
            raise ConnectError(str(error)) from None

    def _reach(self) -> None:
        """Connect, with a passphrase that the operator is asked for where no key is accepted."""
        with self._plain_config() as self._config_file:
            try:
                super().connect()
            except ConnectError as error:
                cause = error.__context__ or error
                if key := self._wants_passphrase(cause):
                    self._passphrase = secrets.passphrase(key)
                    self._reach()
                    return
                words = str(error)
                refusal = why(self.host.name, self._settings, cause, words, self._tunnel)
                raise HostError(refusal) from None

    def _wants_passphrase(self, cause: BaseException) -> str | None:
        if self._passphrase is not None or not isinstance(cause, AuthenticationException):
            return None
        return encrypted(self._settings.identities)

    @contextmanager
    def _plain_config(self) -> Iterator[str]:
        """What ``ssh -G`` found, as a file for pyinfra, which knows a part of ssh_config alone."""
        known = Path(self._settings.known_hosts[0]) if self._settings.known_hosts else None
        if known and not known.exists():
            known.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            known.touch(mode=0o600)
        with tempfile.NamedTemporaryFile("w", prefix="rackwright-ssh-") as file:
            file.write(self._settings.text())
            file.flush()
            yield file.name

    def make_paramiko_kwargs(self) -> dict[str, Any]:
        """What one try to connect is given; a new way through jump hosts for each."""
        settings, timeout_s = self._settings, self.state.config.CONNECT_TIMEOUT
        strict = self.data["ssh_strict_host_key_checking"]
        kwargs = {
            "hostname": settings.hostname,
            "port": settings.port,
            "username": settings.user,
            "timeout": timeout_s,
            "allow_agent": self.data["ssh_allow_agent"],
            "look_for_keys": False,  # ssh named them with the others
            "key_filename": list(settings.identities),
            "pkey": agents_key(settings.identities, settings.agent),
            "password": self.data["ssh_password"],
            "passphrase": self.data["ssh_key_password"] or self._passphrase,
            "_pyinfra_ssh_forward_agent": self.data["ssh_forward_agent"],
            "_pyinfra_ssh_config_file": self._config_file,
            "_pyinfra_ssh_known_hosts_file": self.data["ssh_known_hosts_file"],
            "_pyinfra_ssh_strict_host_key_checking": "yes" if settings.strict else strict,
            "_pyinfra_ssh_paramiko_connect_kwargs": self.data["ssh_paramiko_connect_kwargs"],
        }
        self._close_tunnel()
        self._tunnel = tunnel(self.host.name, settings, timeout_s)
        if self._tunnel:
            kwargs |= {"sock": self._tunnel.socket, "banner_timeout": JUMP_S}
        return {key: value for key, value in kwargs.items() if value is not None}

    def _make_quick(self) -> None:
        """Have many small commands be fast, and a dead peer noticed."""
        transport = self.client.get_transport() if self.client else None
        if transport is not None:
            transport.set_keepalive(KEEP_ALIVE_S)
            if isinstance(transport.sock, socket.socket) and self._tunnel is None:
                transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def disconnect(self) -> None:
        """Close the client too, which pyinfra leaves to the garbage collector."""
        super().disconnect()
        self._close()

    def _close(self) -> None:
        if self.client is not None:
            self.client.close()
            get_host_keys.cache.clear()  # a new key may have been written since
        self._close_tunnel()

    def _close_tunnel(self) -> None:
        if self._tunnel is not None:
            self._tunnel.close()
            self._tunnel = None

    def run_shell_command(
        self,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run a command, on a new connection when the old one died since the last command."""
        transport = self.client.get_transport() if self.client else None
        if transport is None or not transport.is_active():
            self.connect()
        control: Mapping[str, Any] = extract_control_arguments(arguments)  # type: ignore[arg-type]
        way = self._sudo_way(arguments) if arguments.get("_sudo") else None
        if print_input:
            shown = make_unix_command(command, **{**arguments, "_sudo_password": None})
            echo(f"{self.host.print_prefix}>>> {shown}", err=True)
        answer = self._run(
            _line(command, way, arguments),
            (way.standard_input if way else b"") + as_bytes(control.get("_stdin")),
            timeout_s=control.get("_timeout"),
            terminal=bool(control.get("_get_pty")) and not (way and way.password),
            show=print_output,
        )
        return answer.status in (control.get("_success_exit_codes") or [0]), answer.output

    def _run(
        self,
        line: str,
        given: bytes,
        timeout_s: int | None = None,
        terminal: bool = False,
        show: bool = False,
    ) -> Answer:
        assert self.client is not None
        self.commands_sent += 1
        sent = login_shell.line(line, one_stream=terminal)
        stdin, stdout, stderr = self.client.exec_command(sent, get_pty=terminal)
        if given:
            stdin.write(given)
        stdin.close()
        output = read_output_buffers(
            login_shell.after_begin(stdout),
            () if terminal else login_shell.after_begin(stderr),
            timeout=timeout_s,
            print_output=show,
            print_prefix=self.host.print_prefix,
        )
        return Answer(stdout.channel.recv_exit_status(), output)

    def _sudo_way(self, arguments: Mapping[str, Any]) -> sudo.Way:
        """How sudo is called here; asked once a host. Raises HostError where it is not to be."""
        if self._way is None:
            given = arguments.get("_sudo_password")
            user = self._settings.user
            try:
                self._way = sudo.find_way(
                    lambda way: self._refusal(way, arguments), lambda: secrets.sudo_password(given)
                )
            except HostError as error:
                raise HostError(f"{user}@{self.host.name}: {error}") from None
        return self._way

    def _refusal(self, way: sudo.Way, arguments: Mapping[str, Any]) -> str:
        line = sudo.line(sudo.DOES_NOTHING, way, arguments)
        try:
            answer = self._run(line, way.standard_input, timeout_s=SUDO_S)
        except OSError as error:
            raise HostError(f"sudo gave no answer: {error!r}") from None
        return "" if answer.status == 0 else answer.output.stderr or answer.output.stdout or "?"

    def put_file(
        self,
        filename_or_io: Any,
        remote_filename: str,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Write a file as the user that ``arguments`` name, on standard input: no copy in /tmp."""
        with get_file_io(filename_or_io) as file:
            arguments["_stdin"] = file.read()
        command = StringCommand("cat", ">", QuoteString(remote_filename))
        return self.run_shell_command(command, print_output, print_input, **arguments)[0]

    def get_file(
        self,
        remote_filename: str,
        filename_or_io: Any,
        remote_temp_filename: str | None = None,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> bool:
        """Read a file as the user that ``arguments`` name."""
        command = StringCommand("base64", QuoteString(remote_filename))
        done, output = self.run_shell_command(command, False, print_input, **arguments)
        if done:
            with get_file_io(filename_or_io, "wb") as file:
                file.write(base64.b64decode(output.stdout))
        return done


def _line(command: StringCommand, way: sudo.Way | None, arguments: dict[str, Any]) -> str:
    if arguments.get("_shell_executable", "sh") is not None:
        command = StringCommand(UMASK, command)
    if way is None:
        return str(make_unix_command(command, **arguments).get_raw_value())
    others = {key: value for key, value in arguments.items() if key not in _FOR_SUDO}
    return sudo.line(make_unix_command(command, **others).get_raw_value(), way, arguments)


class DiscoveredConnector(SshAccess):
    """For hosts that no inventory names yet: ``@rackwright-discover/NAME``."""

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield the plain host name."""
        yield name, {}, []
