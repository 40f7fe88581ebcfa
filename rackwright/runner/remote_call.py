"""One question to a host, one answer: a script and its request go in, JSON comes out.

Everything travels on standard input, so that nothing of it is seen in a process list, no
temporary file is left on the host, and its size has no limit.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from gevent import Greenlet, spawn
from paramiko.ssh_exception import SSHException
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host

from rackwright.errors import HostError
from rackwright.runner.access.connector import Answer, Running, SshAccess
from rackwright.runner.host_data import command_arguments
from rackwright.runner.travelling import loader, message, opening, starter

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
    options = _options(host)
    waiting = _taken(host, script, beside, options)
    try:
        if waiting is not None and (told := _told(waiting, arguments, timeout_s)):
            return _read(host, script, told, kind)
        options |= {"_stdin": message(script, *arguments, beside=beside), "_timeout": timeout_s}
        done, output = host.run_shell_command(_python(loader()), print_output=show, **options)
    except OSError as error:  # includes TimeoutError; a broken connection is one too
        raise HostError(f"{host.name}: {script} gave no answer: {error!r}") from None
    if not done or not output.stdout_lines:
        said = [line for line in output.stderr_lines if PROGRESS not in line]
        words = "\n".join(said[-5:] or output.stdout_lines[-1:]) or "no output"
        raise HostError(f"{host.name}: {script} failed: {words}")
    return output.stdout_lines[-1] if show else _read(host, script, output.stdout_lines[-1], kind)


def _options(host: Host) -> dict[str, Any]:
    given: dict[str, Any] = dict(host.current_op_global_arguments or command_arguments(host))
    return {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}


def _python(program: str) -> StringCommand:
    return StringCommand("python3", *ISOLATED, "-c", QuoteString(program))


Begun = Running | Answer | None
"""A script on a host that waits for its arguments; what it answered to those that were guessed;
or nothing, where it was not begun or gave no answer."""


class _Waiting(NamedTuple):
    """A script that was begun before it was called; ``guess`` are arguments as JSON, if it has any.

    ``options`` say as whom.
    """

    script: str
    beside: tuple[str, ...]
    options: dict[str, Any]
    guess: str | None
    begun: Greenlet[..., Begun]


_waiting: WeakKeyDictionary[Host, _Waiting] = WeakKeyDictionary()


def begin(
    host: Host,
    script: str,
    beside: tuple[str, ...],
    loaded: tuple[str, ...],
    connected: Callable[[], bool],
    guess: str | None = None,
    timeout_s: int | None = None,
) -> None:
    """Have a host load what it will be asked with, before it is known what it is asked.

    In the background, once it is ``connected``. The next ``call`` of this script is answered from
    there; where that fails it is asked as ever, so it has to be one that only looks. Where there is
    a ``guess`` of the arguments, as JSON, it is asked that at once, and has ``timeout_s`` seconds:
    the answer is that of the next call if it is of these very arguments. Nothing of the script
    travels: a host that was not sent it since it booted gives no answer here.
    """

    def begun() -> Begun:
        if not connected() or not isinstance(access := host.connector, SshAccess):
            return None
        try:
            program = _python(starter(script, beside))
            running = access.begin_command(program, opening(script, loaded), **options)
            return running if guess is None else running.answer(f"{guess}\n".encode(), timeout_s)
        except (PyinfraError, SSHException, EOFError, OSError, ValueError):
            return None  # also what is no text: asked again, it is that call's to say

    options = _options(host)
    _waiting[host] = _Waiting(script, beside, options, guess, spawn(begun))


def give_up(host: Host) -> None:
    """Begin nothing more on a host. What it was begun with ends with its connection."""
    if waiting := _waiting.pop(host, None):
        waiting.begun.kill()


def _taken(
    host: Host, script: str, beside: tuple[str, ...], options: dict[str, Any]
) -> _Waiting | None:
    """What was begun for such a call. It is of one call."""
    waiting = _waiting.get(host)
    if waiting is None or waiting[:3] != (script, beside, options):
        return None
    return _waiting.pop(host)


def _told(waiting: _Waiting, arguments: Sequence[Any], timeout_s: int | None) -> str | None:
    """The last line that it said, where it was asked this and ended well."""
    asked = json.dumps(arguments)
    if waiting.guess not in (None, asked):
        waiting.begun.kill(block=False)  # what it was asked instead ends with its channel
        return None
    begun = waiting.begun.get()
    if begun is None:
        return None
    try:
        given = f"{asked}\n".encode()
        answer = begun if isinstance(begun, Answer) else begun.answer(given, timeout_s)
    except OSError:
        return None
    lines = answer.output.stdout_lines
    return lines[-1] if lines and answer.status == 0 else None


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
