"""The firewall of a host: loaded on trial, confirmed by a new connection, and kept then."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any

import click
from paramiko.ssh_exception import SSHException
from pyinfra.api.command import FunctionCommand
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.operation import operation
from pyinfra.connectors.local import LocalConnector
from pyinfra.context import host, state

from rackwright.desired.firewall import changes, is_there, ruleset, ruleset_path, unit
from rackwright.errors import HostError
from rackwright.planning.firewall import Firewall, Table
from rackwright.runner.looking import look
from rackwright.runner.operations import fail, refuse
from rackwright.runner.remote_call import LOOK_UP_S, call
from rackwright.runner.sources import sources_of
from rackwright.spec import Settings

SCRIPT = "firewall"
MARGIN_S = 10
"""Between the last try to connect and the roll-back: for the word that the rules are kept."""
BACK_S = 30
"""After the roll-back, for the host to be reached again."""
NOT_REACHED = (PyinfraError, SSHException, EOFError, OSError, HostError)


@operation()
def converge_firewall(
    firewall: Firewall | None, settings: Settings, targets: Sequence[str]
) -> Generator[FunctionCommand]:
    """Have the planned table loaded, now and at each boot; none where none is planned.

    What a gateway alone knows, where servers see it come from, it is asked. ``targets`` are the
    addresses of all servers.
    """
    try:
        seen = observed(host, firewall, settings)
        if firewall is None:
            yield from _none(seen, settings)
            return
        table = _table(firewall, seen, targets)
    except HostError as error:
        yield refuse(str(error))
        return
    if not (found := list(changes(table, settings, seen))):
        host.noop(f"{firewall.mode}: as planned")
        return
    _show(found, seen["others"])
    request = {
        "file": ruleset_path(settings),
        "ruleset": ruleset(table),
        "unit": unit(settings),
        "confirm_s": settings.firewall_confirm_s,
    }
    yield FunctionCommand(_load, (request,), {})


def observed(host: Host, firewall: Firewall | None, settings: Settings) -> dict[str, Any]:
    """What ``remote/firewall.py`` sees on a host. Raises HostError where it gives no answer."""
    request = {"do": "observe", **question(firewall, settings)}
    answer: dict[str, Any] = look(host, SCRIPT, request, timeout_s=LOOK_UP_S, kind=dict)
    return answer


def question(firewall: Firewall | None, settings: Settings) -> dict[str, Any]:
    """What it has to know to look. Where SSH comes in is of a firewall of the whole host alone."""
    names, whole = (firewall.names, firewall.mode == "host") if firewall else ([], False)
    return {"file": ruleset_path(settings), "names": names, "asks_ssh": whole}


def _none(seen: Mapping[str, Any], settings: Settings) -> Generator[FunctionCommand]:
    if not is_there(seen):
        host.noop("none is planned, and none of ours is there")
        return
    _show(["not planned any more: taken away"], ())
    yield FunctionCommand(_ask, ({"do": "remove", **question(None, settings)},), {})


def _table(firewall: Firewall, seen: Mapping[str, Any], targets: Sequence[str]) -> Table:
    """With the addresses of all names, and of gateways that were asked."""
    known = {name: said.get("addresses") or [] for name, said in seen["names"].items()}
    if lost := [name for name, addresses in known.items() if not addresses]:
        why = seen["names"][lost[0]].get("error", "no address")
        raise HostError(f"{lost[0]} is a name that {host.name} cannot look up ({why})")
    if firewall.mode == "host" and not seen["ssh_ports"] and not _is_local(host):
        raise HostError(f"{host.name} does not show at which port SSH comes in: it is left open")
    asked = sources_of(host, firewall.asked, targets, seen.get("table"))
    gateways = (*firewall.gateways, *asked)
    return firewall._replace(gateways=gateways).table(known, seen["ssh_ports"])


def _is_local(host: Host) -> bool:
    return isinstance(host.connector, LocalConnector)


def _show(found: Sequence[str], others: Sequence[str]) -> None:
    if state.is_executing and state.check_for_changes:
        return
    for words in found:
        host.log(f"  {click.style('~', 'yellow')} firewall: {words}")
    if others:
        host.log(f"  {', '.join(others)} rules here too, and stays as it is: what it refuses, "
                 "gateways are refused as well")  # fmt: skip


def _load(state: Any, host: Host, request: dict[str, Any]) -> bool:
    """Load on trial, come in anew, and keep."""
    loaded = time.monotonic()
    if not _ask(state, host, {**request, "do": "try"}):
        return False
    if error := _come_in_anew(host, loaded + request["confirm_s"] - MARGIN_S):
        return _rolled_back(host, error, loaded + request["confirm_s"] + BACK_S)
    return _ask(state, host, {**request, "do": "keep"})


def _ask(state: Any, host: Host, request: dict[str, Any]) -> bool:
    try:
        reply = call(host, SCRIPT, request, timeout_s=LOOK_UP_S, kind=dict)
    except HostError as error:
        return fail(host, str(error))
    refused = reply.get("error")
    return not refused or fail(host, f"firewall: {refused}")


def _come_in_anew(host: Host, deadline: float) -> str:
    """Connect once more: what is there already would go on. Why not, where that is in vain."""
    while True:
        try:
            host.connector.connect()
            return ""
        except NOT_REACHED as error:
            if time.monotonic() > deadline:
                return str(error) or type(error).__name__
            time.sleep(1)


def _rolled_back(host: Host, error: str, deadline: float) -> bool:
    """Say what happened, once the former rules are back."""
    still = _come_in_anew(host, deadline)
    now = f"and it is not reached: see its console ({still})" if still else "it is reached again"
    words = (
        f"no new connection came through the new firewall ({error}): it was not kept, the former "
        f"rules came back by themselves, {now}"
    )
    remedy = (
        "what comes to SSH here is not what the rules let in: see firewall in group data, and "
        "`journalctl -u rackwright-firewall-rollback` there"
    )
    return fail(host, f"{words}\n{remedy}", words, remedy)
