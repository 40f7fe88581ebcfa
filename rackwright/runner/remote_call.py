"""One question to a host, one answer: a script and its request go in, JSON comes out.

Everything travels on standard input, so that nothing of it is seen in a process list, no
temporary file is left on the host, and its size has no limit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.host import Host

from rackwright.errors import HostError
from rackwright.runner.host_data import command_arguments
from rackwright.runner.travelling import loader, message

PROGRESS = "\r"
"""In a line of how far something is: no reason why it failed."""
LOOK_UP_S = 120
"""For host names: name servers that are silent are given up after some seconds each."""
ISOLATED = ("-I", "-S")
"""Nothing of who calls it, and nothing that is installed beside it: what is needed travels."""


_acts: Counter[str] = Counter()


def acts_on(host: Host) -> int:
    """A number that is another once the host was asked what may have changed it."""
    return _acts[host.name]


@contextmanager
def _noted(host: Host, looks: bool) -> Iterator[None]:
    """Before and after: what is seen meanwhile may be of before."""
    _acts[host.name] += not looks
    try:
        yield
    finally:
        _acts[host.name] += not looks


def call(
    host: Host,
    script: str,
    *arguments: Any,
    show: bool = False,
    timeout_s: int | None = None,
    kind: type = object,
    beside: tuple[str, ...] = (),
    looks: bool = False,
) -> Any:
    """Run ``main(*arguments)`` of a script of ``remote`` on the host and return its reply.

    All that the script imports travels along (``travelling``). ``show`` prints what the host writes
    while it works; the reply is then a sentence. ``kind`` is what it has to be else: a host may
    answer anything. Raises HostError with the host's words when it
    fails, and when ``timeout_s`` seconds pass. ``beside`` are scripts that this one calls by name.
    A question that ``looks`` changes nothing.
    """
    with _noted(host, looks):
        return _called(host, script, arguments, show, timeout_s, kind, beside)


def _called(
    host: Host,
    script: str,
    arguments: Sequence[Any],
    show: bool,
    timeout_s: int | None,
    kind: type,
    beside: tuple[str, ...],
) -> Any:
    given: dict[str, Any] = dict(host.current_op_global_arguments or command_arguments(host))
    options = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
    options |= {"_stdin": message(script, *arguments, beside=beside), "_timeout": timeout_s}
    command = StringCommand("python3", *ISOLATED, "-c", QuoteString(loader()))
    try:
        done, output = host.run_shell_command(command, print_output=show, **options)
    except OSError as error:  # includes TimeoutError; a broken connection is one too
        raise HostError(f"{host.name}: {script} gave no answer: {error!r}") from None
    if not done or not output.stdout_lines:
        said = [line for line in output.stderr_lines if PROGRESS not in line]
        words = "\n".join(said[-5:] or output.stdout_lines[-1:]) or "no output"
        raise HostError(f"{host.name}: {script} failed: {words}")
    return output.stdout_lines[-1] if show else _read(host, script, output.stdout_lines[-1], kind)


def _read(host: Host, script: str, text: str, kind: type) -> Any:
    """What a script answered. A host may print after it: a login that says goodbye."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        raise HostError(f"{host.name}: {script} answered no JSON: {text[:200]!r}") from None
    return of_kind(host, script, answer, kind)


def of_kind(host: Host, script: str, answer: Any, kind: type) -> Any:
    """The answer of a script. Raises HostError for one of another kind."""
    if not isinstance(answer, kind):
        raise HostError(f"{host.name}: {script} answered no {kind.__name__}, but {answer!r:.200}")
    return answer
