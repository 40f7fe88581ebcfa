"""Hosts asked outside a deploy: all at once, and one that is dead holds up nobody."""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from paramiko.ssh_exception import SSHException
from pyinfra.api.config import Config
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from rackwright.errors import HostError

Answer = dict[str, Any]
AT_ONCE = 100
GARBLED = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError)
"""What reading an answer ends in that is not of the form that was asked for."""
SILENT = (PyinfraError, SSHException, EOFError, OSError, ValueError)
"""What a connection ends in that gives no answer."""
CONNECT_TIMEOUT_S = 10
LIMIT_S = 900
"""For one host's answer: above the limits of all that is asked (serving 600 s, the probe 120 s)."""


def ask_all(
    inventory: Inventory,
    question: Callable[[Host], Answer],
    said: Callable[[str, Answer], None] = lambda name, answer: None,
    only: Container[str] | None = None,
    limit_s: float = LIMIT_S,
) -> dict[str, Answer]:
    """The answer of each host by name; ``{"error": why}`` of one that gave none.

    ``question`` runs with the host as pyinfra's context; ``said`` hears each answer as it comes.
    ``only`` the hosts named there are asked, all of them where it is None; each has ``limit_s``
    seconds.
    """
    state = _quiet_state(inventory)
    answers: dict[str, Answer] = {}

    def hear(host: Host) -> None:
        answers[host.name] = _ask_and_disconnect(host, question, limit_s)
        said(host.name, answers[host.name])

    with ctx_state.use(state):
        for host in inventory:
            if only is not None and host.name not in only:
                continue
            state.pool.spawn(hear, host)
        state.pool.join(raise_error=True)
    return answers


def _quiet_state(inventory: Inventory) -> State:
    quiet()
    return State(inventory, Config(PARALLEL=AT_ONCE, CONNECT_TIMEOUT=CONNECT_TIMEOUT_S))


@contextmanager
def connections(inventory: Inventory) -> Iterator[None]:
    """For a verb that asks hosts again and again (``reach``): what it opens ends with the block."""
    with ctx_state.use(_quiet_state(inventory)):
        try:
            yield
        finally:
            for host in inventory:
                if host.connected:
                    host.disconnect()


def reach(inventory: Inventory, name: str) -> Host:
    """A host that is connected to, where it was not; also in a deploy that it is no part of.

    There its connection is everybody's, so nobody ends it. Raises HostError.
    """
    host = inventory.get_host(name)
    try:
        host.connect(show_errors=False, raise_exceptions=True)
    except SILENT as error:
        raise HostError(f"{name}: {str(error) or type(error).__name__}") from None
    return host


def quiet() -> None:
    """What goes wrong with a host is its answer; libraries need not print it as well."""
    for name in ("paramiko", "pyinfra"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.NullHandler())
        logger.propagate = False


@contextmanager
def within(limit_s: float | None) -> Iterator[None]:
    """No longer than that. Raises TimeoutError.

    What is raised holds the calls that it went through, and all that they had open; here they do
    not hold it as well, so both are gone when it was heard.
    """
    silence = TimeoutError(f"no answer within {limit_s} s")
    try:
        with gevent.Timeout(limit_s, silence):
            yield
    finally:
        del silence


def _ask_and_disconnect(host: Host, question: Callable[[Host], Answer], limit_s: float) -> Answer:
    answer = ask(host, question, limit_s)
    with ctx_host.use(host):
        host.disconnect()
    return answer


def ask(host: Host, question: Callable[[Host], Answer], limit_s: float | None = None) -> Answer:
    """The answer of one host; ``{"error": why}`` of one that gave none, which is disconnected.

    The connection is kept for the next question. ``limit_s`` is for all of it: on a connection
    whose other end is gone without a word, paramiko alone would wait for an hour.
    """
    with ctx_host.use(host):
        try:
            with within(limit_s):
                host.connect(show_errors=False, raise_exceptions=True)
                return question(host)
        except (HostError, *SILENT) as error:
            host.disconnect()
            return {"error": str(error) or type(error).__name__}
        except GARBLED as error:
            host.disconnect()
            return {"error": f"its answer cannot be read ({type(error).__name__}: {error})"}
