"""Commands and files on a host: through any login shell, and as root by sudo's own rules.

pyinfra 3.10 puts sudo's password on the host's command line, reads a login shell's banner as the
answer, leaves files it uploads in /tmp meanwhile, and never reconnects.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any, NamedTuple

from gevent import Timeout
from paramiko import SSHClient
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import ConnectError
from pyinfra.api.output import echo
from pyinfra.api.util import get_file_io
from pyinfra.connectors.util import (
    CommandOutput,
    extract_control_arguments,
    make_unix_command,
    read_output_buffers,
)

from rackwright.errors import HostError
from rackwright.runner.access import login_shell, secrets, sudo
from rackwright.runner.access.connection import Connection
from rackwright.runner.access.standard_input import as_bytes
from rackwright.runner.host_data import command_arguments

SUDO_S = 60
"""For sudo's answer to a command that does nothing; some look a user up far away."""
BEGIN_S = 120
"""For a host to begin a command: one that is busy takes seconds."""
UMASK = "umask 022;"
"""What is made has its mode said or is to be read by all; a login's umask may be another."""


class Answer(NamedTuple):
    """What a command ended with."""

    status: int
    output: CommandOutput


class Running:
    """A command that was begun on a host. It is to be given an end: ``answer``, or ``close``."""

    def __init__(
        self,
        in_use: AbstractContextManager[SSHClient],
        line: str,
        given: bytes,
        terminal: bool,
        print_prefix: str,
    ) -> None:
        """With the client of ``in_use`` while it runs. Raises OSError where it does not begin."""
        self._terminal, self._print_prefix = terminal, print_prefix
        with ExitStack() as opened:
            client = opened.enter_context(in_use)
            self._stdin, self._stdout, self._stderr = _begun(client, line, terminal)
            # What still runs there then finds that nobody hears it.
            opened.callback(self._stdout.channel.close)
            if given:
                self._stdin.write(given)
            self._open = opened.pop_all()

    def answer(self, given: bytes, timeout_s: int | None, show: bool = False) -> Answer:
        """What it ended with, once it was given the rest. Raises OSError, as in TimeoutError."""
        with self._open:
            if given:
                self._stdin.write(given)
            self._let_go_of_input()
            output = read_output_buffers(
                login_shell.after_begin(self._stdout),
                () if self._terminal else login_shell.after_begin(self._stderr),
                timeout=timeout_s,
                print_output=show,
                print_prefix=self._print_prefix,
            )
            return Answer(self._stdout.channel.recv_exit_status(), output)

    def close(self) -> None:
        """End it without an answer."""
        with self._open, suppress(OSError):
            self._let_go_of_input()

    def _let_go_of_input(self) -> None:
        """paramiko closes it once more when it is collected: too late for gevent at the end."""
        if self._stdin is not None:
            self._stdin.close()
        self._stdin = None


class SshAccess(Connection):
    """SSH with sudo and any login shell; counts the commands it sends."""

    commands_sent = 0
    _way: sudo.Way | None = None
    _waiting: Running | None = None

    def _connected(self) -> None:
        """And find out how sudo is called where host data says ``_sudo``."""
        super()._connected()
        arguments = command_arguments(self.host)
        if arguments.get("_sudo"):
            self._sudo_way(arguments)

    def run_shell_command(
        self,
        command: StringCommand,
        print_output: bool = False,
        print_input: bool = False,
        **arguments: Any,
    ) -> tuple[bool, CommandOutput]:
        """Run a command, on a new connection when the old one died since the last command."""
        control: Mapping[str, Any] = extract_control_arguments(arguments)  # type: ignore[arg-type]
        way = self._sudo_way(arguments) if arguments.get("_sudo") else None
        if print_input:
            shown = make_unix_command(command, **{**arguments, "_sudo_password": None})
            echo(f"{self.host.print_prefix}>>> {shown}", err=True)
        answer = self._run(
            _line(command, way, arguments),
            (way.standard_input if way else b"") + as_bytes(control.get("_stdin")),
            timeout_s=control.get("_timeout"),
            # A terminal would show the password.
            terminal=bool(control.get("_get_pty")) and not (way and way.password),
            show=print_output,
        )
        return answer.status in (control.get("_success_exit_codes") or [0]), answer.output

    def begin_command(self, command: StringCommand, given: str, **arguments: Any) -> Running:
        """Have a command begin that reads ``given``, and waits for more on its standard input."""
        extract_control_arguments(arguments)  # type: ignore[arg-type]
        way = self._sudo_way(arguments) if arguments.get("_sudo") else None
        first = (way.standard_input if way else b"") + as_bytes(given)
        self._waiting = self._begin(_line(command, way, arguments), first)
        return self._waiting

    def disconnect(self) -> None:
        """End what waits for more that never came, and hang up."""
        if self._waiting is not None:
            self._waiting.close()
        super().disconnect()

    def _begin(self, line: str, given: bytes, terminal: bool = False) -> Running:
        self.commands_sent += 1
        sent = login_shell.line(line, one_stream=terminal)
        return Running(self._in_use(), sent, given, terminal, self.host.print_prefix)

    def _run(
        self,
        line: str,
        given: bytes,
        timeout_s: int | None = None,
        terminal: bool = False,
        show: bool = False,
    ) -> Answer:
        return self._begin(line, given, terminal).answer(b"", timeout_s, show)

    def _sudo_way(self, arguments: Mapping[str, Any]) -> sudo.Way:
        """How sudo is called here; asked once a host. Raises ConnectError in sudo's words."""
        if self._way is None:
            given = arguments.get("_sudo_password")
            try:
                self._way = sudo.find_way(
                    lambda way: self._refusal(way, arguments),
                    lambda: secrets.sudo_password(given, self.may_ask),
                )
            except HostError as error:
                self.disconnect()
                who = f"{self.settings.user}@{self.host.name}"
                raise ConnectError(f"{who}: {error}") from None
        return self._way

    def _refusal(self, way: sudo.Way, arguments: Mapping[str, Any]) -> str:
        line = sudo.line(sudo.DOES_NOTHING, way, arguments)
        try:
            answer = self._run(line, way.standard_input, timeout_s=SUDO_S)
        except OSError as error:
            raise HostError(f"sudo gave no answer: {error!r}") from None
        said = answer.output.stderr.strip() or answer.output.stdout.strip()
        return "" if answer.status == 0 else said or f"exit status {answer.status}"

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


def _line(command: StringCommand, way: sudo.Way | None, arguments: Mapping[str, Any]) -> str:
    if arguments.get("_shell_executable", "sh") is not None:
        command = StringCommand(UMASK, command)
    if way is None:
        return str(make_unix_command(command, **arguments).get_raw_value())
    others = {key: value for key, value in arguments.items() if key not in sudo.ARGUMENTS}
    return sudo.line(make_unix_command(command, **others).get_raw_value(), way, arguments)


class DiscoveredConnector(SshAccess):
    """For hosts that no inventory names yet: ``@rackwright-discover/NAME``."""

    @staticmethod
    def make_names_data(name: str) -> Iterator[tuple[str, dict[str, Any], list[str]]]:
        """Yield the plain host name."""
        yield name, {}, []


def _begun(client: SSHClient, line: str, terminal: bool) -> tuple[Any, Any, Any]:
    """The streams of a command. Raises TimeoutError where the host does not begin it.

    paramiko waits for that without end, also where the connection died.
    """
    with Timeout(BEGIN_S, TimeoutError(f"no command begins within {BEGIN_S} s")):
        return client.exec_command(line, get_pty=terminal)
