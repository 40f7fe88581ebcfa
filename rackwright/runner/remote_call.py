"""One question to a host, one answer: a script and its request go in, JSON comes out.

Everything travels on standard input, so that nothing of it is seen in a process list, no
temporary file is left on the host, and its size has no limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, pop_global_arguments
from pyinfra.api.command import QuoteString, StringCommand
from pyinfra.api.host import Host

from rackwright.errors import HostError

LOADER = """
import json, sys
call = json.loads(sys.stdin.readline())
for name, source in call["libraries"].items():
    module = type(sys)(name)
    sys.modules[name] = module
    exec(compile(source, name, "exec"), module.__dict__)
scope = {"__name__": "rackwright_remote"}
exec(compile(call["source"], "rackwright", "exec"), scope)
reply = scope[call["entry"]](*call["arguments"])
print(reply if isinstance(reply, str) else json.dumps(reply), flush=True)
"""


def _of_data(host: Host) -> Mapping[str, Any]:
    """How commands are run on the host (``_sudo`` and its kin) where no operation says so."""
    return pop_global_arguments(host.state, host, {})[0]


@cache
def source_of(script: str) -> str:
    """The text of a script of ``remote``, or of ``rackwright`` itself (``probe``)."""
    return (files("rackwright") / f"{script}.py").read_text()


def parts(*names: str) -> dict[str, str]:
    """Scripts of ``remote`` that a called one imports, by the name it imports them by."""
    return {f"rackwright.{name}": source_of(name.replace(".", "/")) for name in names}


def call(
    host: Host,
    script: str,
    *arguments: Any,
    entry: str = "main",
    libraries: dict[str, str] | None = None,
    show: bool = False,
    timeout_s: int | None = None,
) -> Any:
    """Run ``entry(*arguments)`` of a script on the host and return its reply.

    ``show`` prints what the host writes while it works; the reply is then a sentence. Raises
    HostError with the host's words when it fails, and when ``timeout_s`` seconds pass.
    """
    message = {
        "source": source_of(script),
        "libraries": libraries or {},
        "entry": entry,
        "arguments": arguments,
    }
    given: dict[str, Any] = dict(host.current_op_global_arguments or _of_data(host))
    options = {key: given[key] for key in CONNECTOR_ARGUMENT_KEYS if key in given}
    options |= {"_stdin": json.dumps(message), "_timeout": timeout_s}
    command = StringCommand("python3", "-c", QuoteString(LOADER))
    try:
        done, output = host.run_shell_command(command, print_output=show, **options)
    except OSError as error:  # includes TimeoutError; a broken connection is one too
        raise HostError(f"{host.name}: {script} gave no answer: {error!r}") from None
    if not done or not output.stdout_lines:
        words = "\n".join(output.stderr_lines[-5:]) or "no output"
        raise HostError(f"{host.name}: {script} failed: {words}")
    return output.stdout_lines[-1] if show else json.loads(output.stdout_lines[-1])
