"""Where servers see a gateway come from: it is asked once a run, whoever wants to know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from paramiko.ssh_exception import SSHException
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory

from rackwright.errors import HostError
from rackwright.runner.looking import look
from rackwright.runner.remote_call import LOOK_UP_S

_answers: WeakKeyDictionary[Inventory, dict[str, dict[str, str] | str]] = WeakKeyDictionary()
_one_at_a_time = Lock()


def sources_of(
    server: Host,
    gateways: Collection[str],
    targets: Sequence[str],
    loaded: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    """Addresses of gateways, as each says for all ``targets`` (addresses of servers).

    Where one gives no answer, those that the server lets in now (``loaded``) stay let in. Raises
    HostError where there are none.
    """
    answers = {name: _answer(server.inventory, name, targets) for name in gateways}
    silent = {name: said for name, said in answers.items() if isinstance(said, str)}
    found = [one for said in answers.values() if isinstance(said, dict) for one in said.values()]
    if not silent:
        return tuple(dict.fromkeys(found))
    before = list(_let_in(loaded))
    name, why = next(iter(silent.items()))
    if not before:
        raise HostError(
            f"{name} was asked where it comes from, and gave no answer ({why}): declare "
            f"gateways[{name}].address, the address that servers see it come from"
        )
    server.log(f"  {name} gave no answer: who is let in as a gateway stays let in")
    return tuple(dict.fromkeys([*found, *before]))


def _let_in(loaded: Mapping[str, Any] | None) -> Iterator[str]:
    for name in ("gateways4", "gateways6"):
        yield from (loaded or {}).get("sets", {}).get(name, ())


def _answer(inventory: Inventory, name: str, targets: Sequence[str]) -> dict[str, str] | str:
    """What a gateway says; in words, why it says nothing. It may be outside the limit of a run."""
    with _one_at_a_time:
        answers = _answers.setdefault(inventory, {})
        if name not in answers:
            answers[name] = _asked(inventory.get_host(name), targets)
        return answers[name]


def _asked(gateway: Host, targets: Sequence[str]) -> dict[str, str] | str:
    try:
        gateway.connect(show_errors=False, raise_exceptions=True)
        said: dict[str, str] = look(gateway, "routes", targets, timeout_s=LOOK_UP_S, kind=dict)
    except (HostError, PyinfraError, SSHException, EOFError, OSError) as error:
        return str(error) or type(error).__name__
    return said or "it has no way to any server"
